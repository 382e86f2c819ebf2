import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  Capsule,
  Template,
  Wrenn,
  WrennAgentError,
  WrennAuthenticationError,
  WrennConflictError,
  WrennConnectionError,
  WrennError,
  WrennHostUnavailableError,
  WrennNotFoundError,
  WrennTimeoutError,
  WrennValidationError,
} from './index.js'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

type Reply = { status?: number; json?: unknown; text?: string; headers?: Record<string, string> } | 'never' | 'cut'

let server: Server
let seen: Seen[]
let replies: Reply[]
let options: { baseUrl: string; apiKey: string }
let client: Wrenn

beforeEach(async () => {
  seen = []
  replies = []
  server = createServer((request, response) => void respond(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  options = { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`, apiKey: 'wrn_key' }
  client = new Wrenn(options)
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString('latin1')
  seen.push({ method: request.method!, url: request.url!, headers: request.headers, body })
  const reply = replies.length > 1 ? replies.shift()! : replies[0]!
  if (reply === 'never') return
  if (reply === 'cut') return void response.destroy()
  response.writeHead(reply.status ?? 200, { 'x-request-id': 'req-1', ...reply.headers })
  response.end(reply.json === undefined ? (reply.text ?? '') : JSON.stringify(reply.json))
}

const info = { id: 'cl-1', status: 'running', template: 'minimal', vcpus: 1, memory_mb: 512 }
const failure = (status: number, code: string) => ({
  status,
  json: { error: { code, message: 'words', hint: 'do', request_id: 'req-2' } },
})
const lastJson = () => JSON.parse(seen.at(-1)!.body) as unknown

async function capsule(): Promise<Capsule> {
  replies = [{ status: 201, json: info }]
  return client.capsules.create()
}

test('a capsule is created with what was given, and destroyed at the end of its scope', async () => {
  replies = [{ status: 201, json: info }, { status: 204 }]
  {
    await using made = await Capsule.create({
      ...options,
      template: 'base-python',
      vcpus: 2,
      memoryMb: 1024,
      metadata: { a: 'b' },
    })
    expect([made.id, made.status]).toEqual(['cl-1', 'running'])
    expect(lastJson()).toEqual({ template: 'base-python', vcpus: 2, memory_mb: 1024, metadata: { a: 'b' } })
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/api/v1/capsules', headers: { 'x-api-key': 'wrn_key' } })
  }
  expect(seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/api/v1/capsules/cl-1' })
})

test('a snapshot becomes a template', async () => {
  const source = await capsule()
  replies = [{ status: 201, json: { name: 'n', size_bytes: 7 } }]
  const template = await source.createSnapshot({ name: 'n', overwrite: true, keepSource: true })
  expect(template).toBeInstanceOf(Template)
  expect([template.name, template.sizeBytes, seen.at(-1)!.url]).toEqual(['n', 7, '/api/v1/snapshots?overwrite=true'])
  expect(lastJson()).toEqual({ sandbox_id: 'cl-1', name: 'n', keep_source: true })
})

test.each([
  [400, 'invalid_request', WrennValidationError],
  [401, 'unauthorized', WrennAuthenticationError],
  [404, 'not_found', WrennNotFoundError],
  [409, 'conflict', WrennConflictError],
  [409, 'invalid_state', WrennConflictError],
  [502, 'agent_error', WrennAgentError],
  [507, 'insufficient_storage', WrennError],
])('%i %s is an error of its class, with all that the server said', async (status, code, type) => {
  replies = [failure(status, code)]
  const error = await client.capsules.create().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(type)
  expect(error).toMatchObject({ status, code, message: 'words', hint: 'do', requestId: 'req-2' })
})

test('an answer that is not from Wrenn still says what came', async () => {
  replies = [{ status: 502, text: '<html>bad gateway' }]
  await expect(client.capsules.create()).rejects.toMatchObject({
    code: 'http_502',
    message: expect.stringContaining('bad gateway') as string,
  })
})

test('what may be asked twice is tried again, and what may not is not', async () => {
  replies = [failure(503, 'host_unavailable'), 'cut', { json: [info] }]
  expect(await client.capsules.list()).toHaveLength(1)
  expect(seen).toHaveLength(3)
  for (const reply of [failure(503, 'host_unavailable'), 'cut'] as Reply[]) {
    seen = []
    replies = [reply]
    await expect(client.capsules.create()).rejects.toBeInstanceOf(WrennError)
    expect(seen).toHaveLength(1)
  }
  seen = []
  replies = [failure(503, 'host_unavailable')]
  await expect(client.capsules.list()).rejects.toBeInstanceOf(WrennHostUnavailableError)
  expect(seen).toHaveLength(3)
})

test('no answer, no answer in time, and an abort are told apart', async () => {
  replies = ['never']
  const hasty = new Wrenn({ ...options, timeoutMs: 30 })
  await expect(hasty.capsules.connect('cl-1')).rejects.toBeInstanceOf(WrennTimeoutError)
  const gone = new Wrenn({ ...options, baseUrl: 'http://127.0.0.1:1' })
  await expect(gone.keys.create('x')).rejects.toBeInstanceOf(WrennConnectionError)
  const reason = new Error('mine')
  const abort = new AbortController()
  const asked = client.capsules.list({ signal: abort.signal })
  abort.abort(reason)
  await expect(asked).rejects.toBe(reason)
})

test('a command line goes through a shell, a program with arguments does not', async () => {
  const { commands } = await capsule()
  replies = [{ json: { stdout: 'w6k=', stderr: '', exit_code: 3, duration_ms: 5, encoding: 'base64' } }]
  expect(await commands.run('echo $HOME', { timeoutSec: 5, cwd: '/' })).toEqual({
    stdout: 'é',
    stderr: '',
    exitCode: 3,
    durationMs: 5,
  })
  expect(lastJson()).toEqual({ cmd: '/bin/sh', args: ['-c', 'echo $HOME'], timeout_sec: 5, cwd: '/' })
  await commands.run({ cmd: 'ls', args: ['-l'] })
  expect(lastJson()).toMatchObject({ cmd: 'ls', args: ['-l'], timeout_sec: 30 })
})

test('a stream tells what happens, and ends with the exit or with an error', async () => {
  const { commands } = await capsule()
  const lines = (...events: object[]) => [{ text: events.map((event) => JSON.stringify(event) + '\n').join('') }]
  replies = lines(
    { type: 'start', pid: 7 },
    { type: 'stdout', data: 'é', encoding: 'utf-8' },
    { type: 'stderr', data: '/w==', encoding: 'base64' },
    { type: 'exit', exit_code: 1, duration_ms: 2 },
  )
  const events = []
  for await (const event of commands.stream('x')) events.push(event)
  expect(events).toEqual([
    { type: 'start', pid: 7 },
    { type: 'stdout', data: new Uint8Array([0xc3, 0xa9]) },
    { type: 'stderr', data: new Uint8Array([0xff]) },
    { type: 'exit', exitCode: 1, durationMs: 2 },
  ])
  expect(seen.at(-1)!.headers.accept).toBe('application/x-ndjson')
  replies = lines({ type: 'start', pid: 7 }, { type: 'error', code: 'agent_error', message: 'timed out' })
  const failing = async () => {
    for await (const _ of commands.stream('x'));
  }
  await expect(failing()).rejects.toBeInstanceOf(WrennAgentError)
})

test('files are uploaded with the path first, streams without being held', async () => {
  const { files } = await capsule()
  replies = [{ status: 204 }]
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('from a stream'))
      controller.close()
    },
  })
  for (const [content, text] of [
    ['from text', 'from text'],
    [new TextEncoder().encode('from bytes'), 'from bytes'],
    [new Blob(['from a blob']), 'from a blob'],
    [stream, 'from a stream'],
  ] as const) {
    await files.write('/root/a', content)
    const { body, headers } = seen.at(-1)!
    expect(body.indexOf('name="path"')).toBeLessThan(body.indexOf('name="file"'))
    expect(body).toContain(`\r\n\r\n${text}\r\n--`)
    expect(headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  }
})

test('whether a file exists is looked up in its directory', async () => {
  const { files } = await capsule()
  replies = [{ json: { entries: [{ name: 'a' }] } }]
  expect([await files.exists('/x/a'), await files.exists('/x/b'), await files.exists('/')]).toEqual([true, false, true])
  expect(lastJson()).toEqual({ path: '/x', depth: 1 })
  replies = [failure(404, 'not_found')]
  expect(await files.exists('/none/a')).toBe(false)
})

test('without a key nothing is sent', async () => {
  const { WRENN_API_KEY: before } = process.env
  delete process.env['WRENN_API_KEY']
  await expect(new Wrenn({ baseUrl: options.baseUrl }).capsules.list()).rejects.toBeInstanceOf(WrennValidationError)
  if (before !== undefined) process.env['WRENN_API_KEY'] = before
  expect(seen).toEqual([])
})
