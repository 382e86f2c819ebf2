/** WebSockets and other protocols that begin as a request, to ports of capsules. */
import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { newId } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer, type RawData } from 'ws'
import { hear, PORT, Proxied } from '../testing/proxied.js'

let at: Proxied
beforeEach(async () => {
  at = await Proxied.open({ create: { timeout_sec: 60 } })
})
afterEach(() => at.end())

const open = (path = '/', headers: Record<string, string> = {}) =>
  new WebSocket(at.on.url.replace('http', 'ws') + path, ['a', 'b'], { headers: { host: at.host, ...headers } })

const ask = (path = '/', more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: ${at.host}\r\nConnection: Upgrade\r\nUpgrade: lines\r\n${more}\r\n`

/** `once` would take the reset before it for a failure. */
const closeOf = (socket: Socket) => new Promise((resolve) => socket.resume().once('close', resolve))

/** Speaks a protocol of its own once it was asked to. */
const lines = (serve: (socket: Socket) => void) =>
  at.tcp((socket) => {
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: lines\r\nX-Y: \xe9\r\n\r\nhello\n',
        'latin1',
      )
      serve(socket)
    })
  })

test('a WebSocket passes both ways, text and binary, with its subprotocol, path, and the app’s own headers', async () => {
  const server = new WebSocketServer({ server: await at.http((_, answer) => answer.end()) })
  const seen: unknown[] = []
  server.on('connection', (socket, { url, headers }) => {
    seen.push(url, headers['x-api-key'], headers['x-mine'], headers.host)
    socket.on('message', (data: RawData, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const socket = open('//x?y=%2F', { 'x-api-key': at.on.key, 'x-mine': '1' })
  await once(socket, 'open')
  expect(socket.protocol).toBe('a')
  for (const data of ['text', Buffer.from([0, 255]), Buffer.alloc(3_000_000, 'x')]) {
    socket.send(data)
    const [back] = (await once(socket, 'message')) as [Buffer]
    expect(back.equals(Buffer.from(data as string))).toBe(true)
  }
  expect(seen).toEqual(['//x?y=%2F', undefined, '1', at.host])
  socket.close(4001, 'bye')
  expect(await once(socket, 'close')).toEqual([4001, Buffer.from('bye')])
  await expect.poll(() => at.tunnels).toBe(0)
})

test('an open WebSocket keeps its capsule running; once it is closed, the capsule is idle', async () => {
  const server = new WebSocketServer({ server: await at.http((_, answer) => answer.end()) })
  const socket = open()
  await once(socket, 'open')
  at.on.clock.advance(100_000)
  expect(await at.ask.status(at.id)).toBe('running')
  socket.terminate()
  await expect.poll(() => at.tunnels).toBe(0)
  await expect.poll(() => server.clients.size).toBe(0)
  at.on.clock.advance(61)
  await expect.poll(() => at.ask.status(at.id)).toBe('paused')
})

test('another protocol begins with what came along, and each way ends alone', async () => {
  await lines((socket) => {
    void hear(socket).then((all) => socket.end(`${all.length} bytes`))
  })
  const socket = await at.socket()
  const all = hear(socket)
  socket.write(`${ask()}early`)
  await expect.poll(() => at.tunnels).toBe(1)
  socket.end(' and late')
  expect(await all).toBe(
    'HTTP/1.1 101 Switching Protocols\r\nX-Y: \ufffd\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\nhello\n14 bytes',
  )
  await expect.poll(() => at.tunnels).toBe(0)
})

test('the guest may end first, and is still written to', async () => {
  let heard = ''
  await lines((socket) => {
    socket.end('last')
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  })
  const socket = await at.socket()
  socket.write(ask())
  expect(await hear(socket)).toMatch(/hello\nlast$/)
  socket.end('after that')
  await expect.poll(() => heard).toBe('after that')
  await expect.poll(() => at.tunnels).toBe(0)
})

test.each(['client', 'guest'])('the loss of the %s is the loss of the other', async (who) => {
  let guest: Socket | undefined
  await lines((socket) => (guest = socket))
  const socket = await at.socket()
  socket.write(ask())
  await once(socket, 'data')
  const closed = Promise.all([closeOf(socket), closeOf(guest!)])
  socket.resume()
  ;(who === 'client' ? socket : guest!).resetAndDestroy()
  await closed
  await expect.poll(() => at.tunnels).toBe(0)
})

test('a guest that stays with HTTP is answered for, and the connection ends', async () => {
  await at.http((_, answer) => answer.writeHead(426, { 'x-y': '1' }).end('no'.repeat(100_000)))
  const answer = await at.say(ask())
  expect(answer).toMatch(/^HTTP\/1.1 426 Upgrade Required\r\nx-y: 1\r\n/)
  expect(answer.match(/no/g)).toHaveLength(100_000)
  await expect.poll(() => at.tunnels).toBe(0)
})

test.each([
  [502, (text: string) => text],
  [404, (text: string) => text.replace(at.id, newId('capsule'))],
  [400, (text: string) => text.replace(`${PORT}-`, '0-')],
  [400, (text: string) => text.replace('Upgrade: lines', 'Upgrade: lines\r\nContent-Length: 4')],
])('what is refused is told in plain text, with %d', async (status, change) => {
  const answer = await at.say(change(ask()))
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(answer).toContain('content-type: text/plain')
})

test('one that is sent before an earlier answer has come is cut: their bytes would mix', async () => {
  await at.http(() => {})
  const answer = await at.say(`GET / HTTP/1.1\r\nHost: ${at.host}\r\n\r\n${ask()}`)
  expect(answer).toBe('')
  await expect.poll(() => at.tunnels).toBe(0)
})

test('the server closes though some are open', async () => {
  let guest: Socket | undefined
  await lines((socket) => (guest = socket))
  const asked = request(at.options({ headers: { connection: 'upgrade', upgrade: 'lines' } }))
  asked.end()
  const [, socket] = (await once(asked, 'upgrade')) as [unknown, Socket]
  socket.on('error', () => {}).resume()
  const closed = Promise.all([closeOf(socket), closeOf(guest!)])
  await at.on.server.close()
  await closed
})
