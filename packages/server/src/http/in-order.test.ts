/** What is asked on one connection is answered in its order, also where the last of it is for another protocol. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let id: string
let socket: Socket
beforeEach(async () => {
  on = await serve()
  id = (await new Api(on).call('createCapsule', { json: {} })).body.id
  socket = connect(Number(new URL(on.url).port), '127.0.0.1').on('error', () => {})
})
afterEach(async () => {
  socket.destroy()
  await on.end()
})

const request = (path: string, ...more: string[]) =>
  [`GET ${path} HTTP/1.1`, 'Host: x', `X-API-Key: ${on.key}`, ...more, '', ''].join('\r\n')
const listing = () => request('/v1/capsules')
const upgrade = (protocol: string, path: string, ...more: string[]) =>
  request(path, 'Connection: Upgrade', `Upgrade: ${protocol}`, ...more)
const key = `Sec-WebSocket-Key: ${Buffer.alloc(16, 'k').toString('base64')}`
const webSocket = () => upgrade('websocket', `/v1/capsules/${id}/pty`, 'Sec-WebSocket-Version: 13', key)

/** Sends all of it at once, and waits for so many answers. */
async function statuses(text: string, count: number): Promise<number[]> {
  let said = ''
  const found = () => [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  socket.on('data', (data: Buffer) => (said += data.toString('latin1'))).write(text)
  while (found().length < count) await once(socket, 'data', { signal: AbortSignal.timeout(5000) })
  return found()
}

test('a WebSocket behind requests is accepted when they are answered', async () => {
  expect(await statuses(listing() + listing() + webSocket(), 3)).toEqual([200, 200, 101])
})

test('a tunnel behind a request is refused, or made, after its answer', async () => {
  expect(await statuses(listing() + upgrade('wrenn-tunnel', `/v1/capsules/${id}x/ports/80/tunnel`), 2)).toEqual([
    200, 400,
  ])
})

test('a protocol that is not ours is ignored behind a request, too', async () => {
  expect(await statuses(listing() + upgrade('h2c', '/health') + listing(), 3)).toEqual([200, 200, 200])
})

test('a visitor of a port who upgrades behind a request is heard after its answer', async () => {
  const visit = webSocket().replace('Host: x', `Host: 80-${id}.localhost`)
  expect(await statuses(listing() + visit, 2)).toEqual([200, 502])
})

test('whoever leaves while requests and an upgrade wait leaves nothing behind', async () => {
  const events = request('/v1/events/stream')
  expect(await statuses(events + listing() + webSocket(), 1)).toEqual([200])
  socket.destroy()
  await once(socket, 'close')
  await new Api(on).call('pauseCapsule', { params: { id } })
})
