/** A server that answers what a test says, and keeps what it was asked. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach } from 'vitest'
import { Wrenn, type Capsule } from '../index.js'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

/**
 * `never`: no answer at all; `cut`: the connection ends without one; `torn`: it ends in the middle of one. Behind its text, an
 * answer may be cut off, or stay open.
 */
export type Reply =
  | {
      status?: number
      json?: unknown
      text?: string
      headers?: Record<string, string>
      then?: 'cut' | 'open'
    }
  | 'never'
  | 'cut'
  | 'torn'

export interface Scripted {
  seen: Seen[]
  /** What is answered, in turn; the last again and again. */
  replies: Reply[]
  /** Answers calls of its own choice, before the others are answered in turn: `METHOD url` → an answer. */
  answer: (call: string, response: ServerResponse) => Reply | undefined
  options: { baseUrl: string; apiKey: string }
  client: Wrenn
  lastJson(): unknown
  /** A capsule of this server. */
  capsule(): Promise<Capsule>
}

export const info = { id: 'cl-1', status: 'running', template: 'minimal', vcpus: 1, memory_mb: 512 }

export const failure = (status: number, code: string) => ({
  status,
  json: { error: { code, message: 'words', hint: 'do', request_id: 'req-2' } },
})

/** A server of its own for each test of a file. */
export function scripted(): Scripted {
  const state = { seen: [], replies: [] } as unknown as Scripted
  const server = createServer((request, response) => void respond(state, request, response))
  state.lastJson = () => JSON.parse(state.seen.at(-1)!.body) as unknown
  state.capsule = () => {
    state.replies = [{ status: 201, json: info }]
    return state.client.capsules.create()
  }
  beforeEach(async () => {
    state.seen = []
    state.replies = []
    state.answer = () => undefined
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    state.options = { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`, apiKey: 'wrn_key' }
    state.client = new Wrenn(state.options)
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return state
}

async function respond(state: Scripted, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString('latin1')
  state.seen.push({ method: request.method!, url: request.url!, headers: request.headers, body })
  const call = `${request.method} ${request.url}`
  const reply = state.answer(call, response) ?? inTurn(state)
  if (reply === 'never') return
  if (reply === 'cut') return void response.destroy()
  if (reply === 'torn') {
    response.writeHead(200, { 'content-length': '100' })
    return void response.write('{"id":', () => response.destroy())
  }
  response.writeHead(reply.status ?? 200, { 'x-request-id': 'req-1', ...reply.headers })
  const text = reply.json === undefined ? (reply.text ?? '') : JSON.stringify(reply.json)
  if (reply.then === undefined) return void response.end(text)
  response.write(text, () => reply.then === 'cut' && response.destroy())
}

function inTurn({ replies }: Scripted): Reply {
  return replies.length > 1 ? replies.shift()! : replies[0]!
}
