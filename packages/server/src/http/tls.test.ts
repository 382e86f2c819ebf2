/** All that is served is served over TLS too, where there is a certificate. */
import { once } from 'node:events'
import { request, type RequestOptions } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { certificate, renewed } from '../testing/certificate.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let port: number
beforeEach(async () => {
  on = await serve(undefined, { tls: certificate })
  port = Number(new URL(on.url).port)
})
afterEach(() => on.end())

interface Said {
  status: number
  headers: IncomingMessage['headers']
  text: string
}

async function ask(path: string, { headers, ...more }: RequestOptions = {}, body = ''): Promise<Said> {
  const asking = request(on.url + path, {
    ca: [certificate.cert, renewed.cert],
    // Node goes by the Host header otherwise.
    servername: 'localhost',
    agent: false,
    ...more,
    headers: { 'x-api-key': on.key, ...(headers as Record<string, string>) },
  })
  asking.end(body)
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  return { status: response.statusCode!, headers: response.headers, text }
}

const capsule = async () =>
  (JSON.parse((await ask('/v1/capsules', { method: 'POST' }, '{}')).text) as { id: string }).id

test('the API says so in its URL, and tells browsers to stay with it', async () => {
  expect(on.url).toMatch(/^https:\/\/127\.0\.0\.1:/)
  const { status, headers } = await ask('/v1/capsules')
  expect([status, headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
})

test('the port proxy tells the guest how it was asked, and its cookie is for TLS alone', async () => {
  const guest = createServer((asked, answer) => answer.end(String(asked.headers['x-forwarded-proto'])))
  guest.listen(0, '127.0.0.1')
  await once(guest, 'listening')
  on.host.ports[80] = (guest.address() as AddressInfo).port
  const body = JSON.stringify({ proxy_auth: true })
  const { text } = await ask('/v1/capsules', { method: 'POST' }, body)
  const { id, proxy_token: token } = JSON.parse(text) as { id: string; proxy_token: string }
  const host = `80-${id}.localhost`
  expect((await ask('/', { headers: { host, 'x-wrenn-token': token } })).text).toBe('https')
  const { headers } = await ask(`/?wrenn_token=${token}`, { headers: { host, accept: 'text/html' } })
  expect(headers['set-cookie']![0]).toMatch(/; Secure$/)
  guest.closeAllConnections()
  guest.close()
})

test('WebSockets', async () => {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/capsules/${await capsule()}/exec/stream`, {
    ca: certificate.cert,
    headers: { 'x-api-key': on.key },
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'start', cmd: 'none' }))
  const [said] = (await once(socket, 'message')) as [Buffer]
  expect(JSON.parse(String(said))).toMatchObject({ type: 'error', code: 'not_found' })
})

async function open(): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: [certificate.cert, renewed.cert] })
  await once(socket, 'secureConnect')
  return socket
}

test('tunnels', async () => {
  const guest = createServer((_, answer) => answer.end('from the guest'))
  guest.listen(0, '127.0.0.1')
  await once(guest, 'listening')
  on.host.ports[80] = (guest.address() as AddressInfo).port
  const id = await capsule()
  const socket = await open()
  socket.write(
    `GET /v1/capsules/${id}/ports/80/tunnel HTTP/1.1\r\nHost: x\r\nX-API-Key: ${on.key}\r\nConnection: Upgrade\r\nUpgrade: wrenn-tunnel\r\n\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  expect(String(head)).toMatch(/^HTTP\/1\.1 101 /)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  let text = ''
  socket.on('data', (data: Buffer) => (text += data.toString()))
  await once(socket, 'end')
  expect(text).toContain('from the guest')
  socket.destroy()
  const other = await open()
  other.write(
    `GET /v1/capsules/${id}/ports/80/tunnel HTTP/1.1\r\nHost: x\r\nX-API-Key: ${on.key}\r\nConnection: Upgrade\r\nUpgrade: wrenn-tunnel\r\n\r\n`,
  )
  await once(other, 'data')
  const lost = once(other, 'error')
  for (const tunnel of on.host.capsule(id).guest.tunnels) tunnel.destroy()
  expect(await lost).toMatchObject([{ code: 'ECONNRESET' }])
  guest.closeAllConnections()
  guest.close()
})

test('an offer of another protocol is ignored, as it is without TLS', async () => {
  const socket = await open()
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
  socket.destroy()
})

test('another certificate is shown to those who come after it, and whoever is there stays', async () => {
  const before = await open()
  expect(before.getPeerCertificate().subject.CN).toBe('localhost')
  on.server.renewTls(renewed)
  const after = await open()
  expect(after.getPeerCertificate().subject.CN).toBe('renewed')
  before.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(String((await once(before, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /)
  for (const socket of [before, after]) socket.destroy()
})

test('what speaks no TLS is hung up on', async () => {
  await expect(fetch(on.url.replace('https', 'http'))).rejects.toThrow()
  expect((await ask('/health')).status).toBe(200)
})
