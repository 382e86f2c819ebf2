/** The CLI against a server that answers what a test says. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { World } from '../context.js'
import { run } from '../program.js'

export interface Reply {
  status?: number
  json?: unknown
  /** Lines of JSON. */
  lines?: unknown[]
  body?: Uint8Array
  /** Whether the answer goes on without an end. */
  open?: true
}

interface Asked {
  /** `POST /v1/capsules?x=y` */
  call: string
  json: unknown
  body: Buffer
  headers: IncomingHttpHeaders
}

export interface Ended {
  code: number
  out: string
  err: string
}

export interface Scripted {
  /** What is answered to which call; any other is 404. */
  script: Record<string, Reply | ((response: ServerResponse) => Reply | undefined)>
  asked: Asked[]
  calls(): string[]
  /** The environment that names it. */
  env(): NodeJS.ProcessEnv
  wrenn(argv: string[], world?: Partial<World>): Promise<Ended>
}

export const refusal = (status: number, code: string, message: string): Reply => ({
  status,
  json: { error: { code, message, request_id: 'req-1' } },
})

/** A server for a file of tests, with an empty script for each. */
export function scripted(): Scripted {
  const state: Scripted = {
    script: {},
    asked: [],
    calls: () => state.asked.map(({ call }) => call),
    env: () => envOf((server.address() as AddressInfo).port),
    wrenn: (argv, world) => runAgainst({ env: state.env(), ...world }, argv),
  }
  const server = createServer((request, response) => void respond(state, request, response))
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  beforeEach(() => Object.assign(state, { script: {}, asked: [] }))
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  return state
}

function envOf(port: number): NodeJS.ProcessEnv {
  return { WRENN_BASE_URL: `http://127.0.0.1:${port}`, WRENN_API_KEY: 'wrn_key' }
}

async function runAgainst(world: Partial<World> & Pick<World, 'env'>, argv: string[]): Promise<Ended> {
  const { stdout = new PassThrough(), stderr = new PassThrough() } = world
  const stdin = Readable.from([])
  const code = await run(argv, { stdin, signal: new AbortController().signal, ...world, stdout, stderr })
  const text = (stream: NodeJS.WritableStream) => String(((stream as PassThrough).read() as Buffer | null) ?? '')
  return { code, out: text(stdout), err: text(stderr) }
}

async function respond(state: Scripted, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  const call = `${request.method} ${request.url}`
  const isJson = request.headers['content-type'] === 'application/json'
  const json = isJson ? (JSON.parse(String(body)) as unknown) : undefined
  state.asked.push({ call, json, body, headers: request.headers })
  const scripted = state.script[call] ?? refusal(404, 'not_found', `There is no ${call}.`)
  const reply = typeof scripted === 'function' ? scripted(response) : scripted
  // Some answer by themselves.
  if (!reply) return
  response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' })
  response.write(contentOf(reply))
  if (!reply.open) response.end()
}

function contentOf({ json, lines, body }: Reply): string | Uint8Array {
  if (lines) return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  return body ?? (json === undefined ? '' : JSON.stringify(json))
}
