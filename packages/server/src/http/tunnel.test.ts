/** Tunnels to ports of capsules: raw bytes over an upgraded connection. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { newId } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { hear } from '../testing/proxied.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let id: string
let listener: Server
/** What the program in the capsule accepted last. */
let accepted: Socket
beforeAll(async () => {
  on = await serve()
  id = (await new Api(on).call('createCapsule', { json: {} })).body.id
  listener = createServer({ allowHalfOpen: true }, (socket) => {
    accepted = socket.on('error', () => {})
    socket.write('hello ')
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  on.host.ports[5432] = (listener.address() as AddressInfo).port
})
afterAll(async () => {
  listener.close()
  await on.end()
})

interface Asked {
  capsule?: string
  port?: number | string
  headers?: Record<string, string>
  base?: string
}

const upgrade = { connection: 'Upgrade', upgrade: 'wrenn-tunnel' }

function ask({ capsule = id, port = 5432, headers = {}, base = '' }: Asked = {}) {
  const asked = httpRequest(`${on.url}${base}/v1/capsules/${capsule}/ports/${port}/tunnel`, {
    headers: { ...upgrade, 'x-api-key': on.key, ...headers },
    createConnection: (options) => connect({ ...options, allowHalfOpen: true } as NetConnectOpts),
  })
  asked.end()
  return asked
}

async function opened(asked?: Asked): Promise<Socket> {
  const [, socket, head] = (await once(ask(asked), 'upgrade')) as [IncomingMessage, Socket, Buffer]
  if (head.length > 0) socket.unshift(head)
  return socket
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

async function refused(asked: Asked): Promise<[number, string]> {
  const [answer] = (await once(ask(asked), 'response')) as [IncomingMessage]
  const { error } = JSON.parse(await text(answer)) as { error: { code: string } }
  return [answer.statusCode!, error.code]
}

test.each(['', '/api'])('bytes pass both ways, and each way ends alone, below "%s"', async (base) => {
  const socket = await opened({ base })
  const heard = hear(socket)
  const inside = hear(accepted)
  socket.end('from outside')
  expect(await inside).toBe('from outside')
  accepted.end('and back')
  expect(await heard).toBe('hello and back')
})

test('a client that breaks off is a reset inside', async () => {
  const socket = await opened()
  const broken = closed(accepted.resume())
  socket.resetAndDestroy()
  await broken
  expect(accepted.readableEnded).toBe(false)
})

test('the capsule is not idle while a tunnel is open', async () => {
  const { body } = await new Api(on).call('createCapsule', { json: { timeout_sec: 60 } })
  const capsule = body.id as string
  const status = async () => (await new Api(on).call('getCapsule', { params: { id: capsule } })).body.status as string
  const socket = await opened({ capsule })
  on.clock.advance(120)
  expect(await status()).toBe('running')
  const gone = closed(accepted.resume())
  socket.resetAndDestroy()
  await gone
  await expect.poll(() => (on.clock.advance(61), status())).toBe('paused')
})

test('what cannot be reached is refused as everywhere', async () => {
  expect(await refused({ headers: { 'x-api-key': 'wrn_0' } })).toEqual([401, 'unauthorized'])
  expect(await refused({ capsule: newId('capsule') })).toEqual([404, 'not_found'])
  expect(await refused({ port: 1 })).toEqual([502, 'agent_error'])
  expect(await refused({ port: 70_000 })).toEqual([400, 'invalid_request'])
  expect(await refused({ headers: { upgrade: 'something-else' } })).toEqual([400, 'invalid_request'])
})

test('a key is asked for before anything else', async () => {
  const answer = await new Api(on).send('GET', `/v1/capsules/${id}/ports/5432/tunnel`, {
    headers: { 'x-api-key': '' },
  })
  expect(answer.status).toBe(401)
})

test('tunnels end with the server', async () => {
  const socket = await opened()
  const end = closed(socket.resume().on('error', () => {}))
  await on.restart()
  await end
})
