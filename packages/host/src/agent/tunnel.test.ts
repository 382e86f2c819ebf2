import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testGuest, whole, type TestGuest } from '../testing/guest.js'

let signal: AbortSignal
let fixture: TestGuest
beforeEach(() => {
  signal = AbortSignal.timeout(10_000)
  fixture = testGuest()
})
afterEach(() => fixture.end())

/** Runs a program that listens, and connects to it. */
async function connected(cmd: string, leaving: AbortSignal = signal): Promise<{ connection: Duplex; id: string }> {
  const { id } = await fixture.guest.spawn({ cmd, args: ['8080'] }, signal)
  await said(id, 'listening')
  const connection = await fixture.guest.connect(8080, leaving)
  connection.on('error', () => {})
  return { connection, id }
}

/** Resolves when the program has said so. */
async function said(id: string, text: string): Promise<void> {
  const leaving = new AbortController()
  const { output } = await fixture.guest.attach(id, {}, leaving.signal)
  let all = ''
  for await (const chunk of output) {
    if (chunk.type === 'exit') throw new Error(`it ended after ${all}`)
    all += Buffer.from(chunk.data).toString()
    if (all.includes(text)) break
  }
}

test('a connection carries bytes both ways, more than any window', async () => {
  const { connection } = await connected('tcp-echo')
  const content = Buffer.alloc(5 * 1024 * 1024, 'wrenn')
  connection.end(content)
  expect((await whole(connection)).equals(content)).toBe(true)
})

test('small pieces arrive whole and in order', async () => {
  const { connection } = await connected('tcp-echo')
  for (let number = 0; number < 1000; number++) connection.write(String(number % 10))
  connection.end()
  expect((await whole(connection)).toString()).toBe('0123456789'.repeat(100))
})

test('the end of what the port says is not the end of what it reads', async () => {
  const { connection, id } = await connected('tcp-sink')
  expect((await whole({ [Symbol.asyncIterator]: () => connection.iterator({ destroyOnReturn: false }) })).toString()).toBe('bye')
  connection.write(Buffer.alloc(100_000))
  connection.end('and so on')
  await said(id, 'read 100009')
})

test('nor the other way round', async () => {
  const { connection } = await connected('tcp-echo')
  connection.end('last words')
  await once(connection, 'finish')
  expect((await whole(connection)).toString()).toBe('last words')
})

test('a reset by the port is an error', async () => {
  const { connection } = await connected('tcp-reset')
  connection.write('a')
  await expect(whole(connection)).rejects.toThrow()
  expect(connection.destroyed).toBe(true)
})

test('a lost connection to the agent is an error and no end', async () => {
  const { connection } = await connected('tcp-echo')
  const read = whole(connection)
  fixture.cut()
  await expect(read).rejects.toThrow()
})

test.each([
  ['destroyed', (connection: Duplex) => connection.destroy()],
  ['aborted', (_: Duplex, leaving: AbortController) => leaving.abort(new Error('left'))],
])('one that is %s is reset for the port', async (_, leave) => {
  const leaving = new AbortController()
  const { connection, id } = await connected('tcp-sink', leaving.signal)
  connection.write('some')
  await once(connection, 'readable')
  leave(connection, leaving)
  await said(id, 'lost')
  expect(connection.destroyed).toBe(true)
})

test('a port that does not read stops who writes, and nothing else', async () => {
  const { connection } = await connected('tcp-hold')
  let sent = 0
  while (connection.write(Buffer.alloc(65_536)) && sent < 16 * 1024 * 1024) {
    sent += 65_536
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent).toBeLessThan(4 * 1024 * 1024)
  const { connection: other } = await connectedTo('tcp-echo', 9090)
  other.end('hello')
  expect((await whole(other)).toString()).toBe('hello')
  connection.destroy()
})

async function connectedTo(cmd: string, port: number): Promise<{ connection: Duplex }> {
  const { id } = await fixture.guest.spawn({ cmd, args: [String(port)] }, signal)
  await said(id, 'listening')
  return { connection: await fixture.guest.connect(port, signal) }
}

test('a port where nothing listens is refused in words, with what to do', async () => {
  const refused = fixture.guest.connect(1, signal)
  await expect(refused).rejects.toMatchObject({ code: 'agent_error', message: 'Nothing listens on port 1.' })
  await expect(refused).rejects.toHaveProperty('hint', expect.stringContaining('listen'))
  await expect(fixture.guest.connect(0, signal)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('a server that speaks HTTP is spoken to', async () => {
  const { connection } = await connected('http-echo')
  connection.end('GET /some/path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const answer = (await whole(connection)).toString()
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(answer).toContain('"url":"/some/path"')
})

test('one that speaks WebSocket too', async () => {
  const { default: WebSocket } = await import('ws')
  const { connection } = await connected('ws-echo')
  const socket = new WebSocket('ws://capsule/', { createConnection: () => connection as never })
  await once(socket, 'open')
  socket.send('hello')
  const [data] = (await once(socket, 'message')) as [Buffer]
  expect(data.toString()).toBe('hello')
  socket.close()
  await once(socket, 'close')
})
