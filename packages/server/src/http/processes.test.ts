/** Programs that are talked to while they run, over plain HTTP. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { execEventSchema, type ExecEvent } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import type { MemoryGuest, Program } from '../testing/memory-guest.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
let id: string
let guest: MemoryGuest
beforeAll(async () => {
  on = await serve()
  api = new Api(on)
  id = (await api.call('createCapsule', { json: {} })).body.id
  guest = on.host.guest(id)
  on.host.programs['cat'] = cat
})
afterAll(() => on.end())

/** Says what it is told, and how much that was. */
const cat: Program = async function* (_, __, session) {
  let size = 0
  for await (const typed of session.stdin()) {
    size += typed.length
    if (typed.length < 100) yield { type: 'stdout', data: typed }
  }
  yield { type: 'stderr', data: Buffer.from(`${size} bytes`) }
  yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
}
const start = async (more: object = {}) =>
  (await api.call('exec', { params: { id }, json: { cmd: 'cat', background: true, stdin: true, ...more } })).body
const to = (selector: string) => ({ params: { id, selector } })
const events = (bytes: Buffer): ExecEvent[] =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => execEventSchema.parse(JSON.parse(line)))

test('a program that is given a stdin reads it to its end, and its output is read from anywhere, also afterwards', async () => {
  const { id: session, tag } = await start()
  const output = api.call('readOutput', to(session))
  expect((await api.call('writeStdin', { ...to(tag), raw: 'abc', headers: { 'content-type': 'text/x' } })).status).toBe(
    204,
  )
  expect((await api.call('writeStdin', { ...to(tag), raw: '' })).status).toBe(204)
  expect((await api.call('writeStdin', { ...to(session), raw: 'def' })).status).toBe(204)
  expect((await api.call('endStdin', to(session))).status).toBe(204)
  const { bytes, headers } = await output
  expect(headers.get('content-type')).toBe('application/x-ndjson')
  expect(events(bytes)).toEqual([
    { type: 'start', id: session, pid: guest.latest.ref.pid, tag, offset: 0 },
    { type: 'stdout', data: 'abc', encoding: 'utf-8', offset: 3 },
    { type: 'stdout', data: 'def', encoding: 'utf-8', offset: 6 },
    { type: 'stderr', data: '6 bytes', encoding: 'utf-8', offset: 13 },
    { type: 'exit', exit_code: 0, duration_ms: 1 },
  ])
  const rest = events((await api.call('readOutput', { ...to(session), query: '?from=4' })).bytes)
  expect(rest.slice(0, 2)).toMatchObject([{ offset: 4 }, { data: 'ef', offset: 6 }])
  const tail = events((await api.call('readOutput', { ...to(session), query: '?tail=2' })).bytes)
  expect(tail.slice(0, 2)).toMatchObject([{ offset: 11 }, { data: 'es' }])
  expect((await api.call('writeStdin', { ...to(session), raw: 'x' })).status).toBe(404)
})

test('what is written is streamed, however much, and no faster than it is read', async () => {
  const { id: session } = await start()
  const request = httpRequest(`${on.url}/api/v1/capsules/${id}/processes/${session}/stdin`, {
    method: 'POST',
    headers: { 'x-api-key': on.key },
  })
  const piece = Buffer.alloc(1024 * 1024, 'x')
  let sent = 0
  const writing = (async () => {
    for (; sent < 64; sent++) if (!request.write(piece)) await once(request, 'drain')
  })()
  // Nobody reads its output yet, so the program does not run.
  await expect.poll(() => guest.latest.writes).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(sent).toBeLessThan(50)
  const output = api.call('readOutput', to(session))
  await writing
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.resume().statusCode).toBe(204)
  await api.call('endStdin', to(session))
  expect(events((await output).bytes)).toContainEqual(expect.objectContaining({ data: `${64 * 1024 * 1024} bytes` }))
})

test('a client that breaks off in the middle leaves the program running', async () => {
  const { id: session } = await start()
  const output = api.call('readOutput', to(session))
  const request = httpRequest(`${on.url}/v1/capsules/${id}/processes/${session}/stdin`, {
    method: 'POST',
    headers: { 'x-api-key': on.key },
  })
  request.on('error', () => {})
  request.write('begun')
  await expect.poll(() => guest.latest.writes).toBe(1)
  request.destroy()
  expect((await api.call('writeStdin', { ...to(session), raw: 'more' })).status).toBe(204)
  await api.call('endStdin', to(session))
  expect(JSON.stringify(events((await output).bytes))).toContain('more')
})

test('a stdin that is closed, or that is none, is a conflict', async () => {
  const { id: session } = await start()
  await api.call('endStdin', to(session))
  expect((await api.call('writeStdin', { ...to(session), raw: 'x' })).body.error.code).toBe('conflict')
  const { id: other } = await start({ stdin: false })
  expect((await api.call('writeStdin', { ...to(other), raw: 'x' })).body.error.code).toBe('conflict')
})

test('a program in the background may have a terminal, whose size is set', async () => {
  const { tag } = await start({ pty: { cols: 80, rows: 24 } })
  expect(tag).toMatch(/^pty-[0-9a-f]{8}$/)
  expect((await api.call('listProcesses', { params: { id } })).body.processes).toContainEqual(
    expect.objectContaining({ tag, pty: true }),
  )
  expect((await api.call('resizeTerminal', { ...to(tag), json: { cols: 100, rows: 50 } })).status).toBe(204)
  expect(guest.latest.sizes).toEqual([{ cols: 100, rows: 50 }])
  expect((await api.call('resizeTerminal', { ...to(tag), json: { cols: 0, rows: 50 } })).status).toBe(400)
  for (const signal of ['SIGHUP', 'SIGQUIT', 'SIGINT']) {
    const { tag: other } = await start({ pty: { cols: 80, rows: 24 } })
    expect((await api.call('killProcess', { ...to(other), query: `?signal=${signal}` })).status).toBe(204)
  }
})

test('one that is waited for may not; one that is streamed may, and may be kept', async () => {
  const json = { cmd: 'cat', pty: { cols: 80, rows: 24 }, on_disconnect: 'keep' }
  const { status, body } = await api.call('exec', { params: { id }, json })
  expect([status, body.error.code]).toEqual([400, 'invalid_request'])
  expect(body.error.hint).toContain('background')
  const left = new AbortController()
  const response = await fetch(`${on.url}/v1/capsules/${id}/exec`, {
    method: 'POST',
    headers: { 'x-api-key': on.key, accept: 'application/x-ndjson' },
    body: JSON.stringify(json),
    signal: left.signal,
  })
  await response.body!.getReader().read()
  expect(guest.latest.spec).toMatchObject({ onDisconnect: 'keep', pty: { cols: 80, rows: 24 } })
  left.abort()
  expect((await api.call('killProcess', to(guest.latest.ref.id))).status).toBe(204)
})

test('a program that is not there is not found by any of them', async () => {
  for (const [name, more] of [
    ['readOutput', {}],
    ['writeStdin', { raw: 'x' }],
    ['endStdin', {}],
    ['resizeTerminal', { json: { cols: 1, rows: 1 } }],
    ['killProcess', {}],
  ] as const)
    expect((await api.call(name, { ...to('nothing'), ...more })).body.error.code, name).toBe('not_found')
})
