/** The CLI against a server that answers what a test says. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { World } from '../context.js'
import { run } from '../program.js'

export interface Reply {
  status?: number
  json?: unknown
}

interface Asked {
  /** `POST /v1/capsules?x=y` */
  call: string
  json: unknown
  headers: IncomingHttpHeaders
}

export interface Ended {
  code: number
  out: string
  err: string
}

export interface Scripted {
  /** What is answered to which call; any other is 404. */
  script: Record<string, Reply>
  asked: Asked[]
  calls(): string[]
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
    wrenn: (argv, world) => runAgainst((server.address() as AddressInfo).port, argv, world),
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

async function runAgainst(port: number, argv: string[], world: Partial<World> = {}): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const env = { WRENN_BASE_URL: `http://127.0.0.1:${port}`, WRENN_API_KEY: 'wrn_key' }
  const code = await run(argv, { env, stdout, stderr, signal: new AbortController().signal, ...world })
  const text = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '')
  return { code, out: text(stdout), err: text(stderr) }
}

async function respond(state: Scripted, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const call = `${request.method} ${request.url}`
  state.asked.push({ call, json: body ? JSON.parse(body) : undefined, headers: request.headers })
  const { status = 200, json } = state.script[call] ?? refusal(404, 'not_found', `There is no ${call}.`)
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(json === undefined ? undefined : JSON.stringify(json))
}
