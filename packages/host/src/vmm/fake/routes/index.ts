/** The fake agent's answers: agent/PROTOCOL.md over the in-memory guest. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { FakeError, statuses } from '../failure.js'
import type { FakeGuest } from '../guest.js'
import { answered, type Call, type Routes } from './call.js'
import { exec } from './exec.js'
import { fileRoutes } from './files.js'
import { machineRoutes } from './machine.js'
import { processRoutes } from './processes.js'
import { tunnel } from './tunnel.js'

const routes: Routes = {
  ...machineRoutes,
  ...processRoutes,
  ...fileRoutes,
  'POST /v1/exec': exec,
  'POST /v1/tunnels/*': tunnel,
}

/** Answers one request. */
export async function answer(guest: FakeGuest, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const url = new URL(String(headers[':path']), 'http://agent')
  const [whole, of, selector = ''] = /^\/v1\/(processes|tunnels)\/([^/]+)/.exec(url.pathname) ?? []
  const name = whole ? `/v1/${of}/*${url.pathname.slice(whole.length)}` : url.pathname
  try {
    const handler = routes[`${String(headers[':method'])} ${name}`]
    if (!handler) throw new FakeError('invalid', `There is no ${name}.`)
    const call = { guest, stream, query: url.searchParams, selector: decodeURIComponent(selector) }
    await respond(call, handler)
  } catch (error) {
    if (stream.destroyed || stream.headersSent) return void stream.destroy(error as Error)
    const { code, message } = error instanceof FakeError ? error : { code: 'io' as const, message: String(error) }
    stream.respond({ ':status': statuses[code] })
    stream.end(JSON.stringify({ error: { code, message } }))
  }
}

async function respond(call: Call, handler: Routes[string]): Promise<void> {
  const result = await handler(call)
  if (result === answered || call.stream.destroyed) return
  call.stream.respond({ ':status': result ? 200 : 204, 'content-type': 'application/json' }, { endStream: !result })
  if (result) call.stream.end(JSON.stringify(result))
}
