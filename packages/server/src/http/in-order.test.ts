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

/** What is said to this, until the connection is closed. */
async function say(text: string): Promise<string> {
  let said = ''
  socket.on('data', (data: Buffer) => (said += data.toString('latin1'))).write(text)
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
  return said
}

test.each([
  ['a WebSocket', webSocket],
  ['a tunnel', () => upgrade('wrenn-tunnel', `/v1/capsules/${id}/ports/80/tunnel`)],
  ['a protocol that is not ours', () => upgrade('h2c', '/health')],
  ["a capsule's port", () => webSocket().replace('Host: x', `Host: 80-${id}.localhost`)],
])('the connection is cut where an upgrade to %s comes before that, and the server goes on', async (_, last) => {
  await say(listing() + listing() + last())
  await new Api(on).call('getHealth')
})

test('an upgrade behind an answer is accepted', async () => {
  socket.write(listing())
  await once(socket, 'data')
  socket.write(webSocket())
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 101 /)
})

test('a connection may be cut in the middle of work for several of its requests', async () => {
  const exec = `POST /v1/capsules/${id}/exec HTTP/1.1\r\nHost: x\r\nX-API-Key: ${on.key}\r\n`
  const sleep = JSON.stringify({ cmd: 'sleep', args: ['60'] })
  const sleeping = `${exec}Content-Length: ${sleep.length}\r\n\r\n${sleep}`
  await say(sleeping + sleeping + webSocket())
  await new Api(on).call('pauseCapsule', { params: { id } })
})
