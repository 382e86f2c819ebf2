/** Keys, as their owners make them, and what becomes of what is under way with them. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { newId, type CreatedKeyBody } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { EventReader } from '../testing/event-reader.js'
import { serve, type Choices, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'

let on: Serving
let api: Api
const start = async (choices?: Choices) => {
  on = await serve(undefined, choices)
  api = new Api(on)
}
beforeEach(() => start())
afterEach(() => on.end())

const make = async (json: object = {}) => (await api.call('createKey', { json })).body as CreatedKeyBody
const as = ({ key }: { key: string }) => new Api({ url: on.url, key })
const statusOf = async (key: CreatedKeyBody) => (await as(key).call('listCapsules')).status

test('a key of which nothing is said may do everything and does not end', async () => {
  const made = await make()
  expect(made).toMatchObject({ name: 'key', scope: 'admin' })
  expect(made).not.toHaveProperty('expires_at')
  expect((await as(made).call('createKey', { json: {} })).status).toBe(201)
})

test('a key is shown with its scope, its end and its last use', async () => {
  const made = await make({ scope: 'read', expires_in: 3600 })
  await as(made).call('listCapsules')
  const shown = (await api.call('listKeys')).body.find(({ id }: { id: string }) => id === made.id)
  expect(shown).toMatchObject({ scope: 'read', expires_at: made.expires_at, last_used: expect.any(String) })
  const left = Date.parse(made.expires_at!) - on.clock.now()
  expect(left).toBeGreaterThan(3_590_000)
  expect(left).toBeLessThanOrEqual(3_600_000)
})

test.each([
  { scope: 'all' },
  { expires_in: 0 },
  { expires_in: 1.5 },
  { expires_in: 1e10 },
  { expires_at: '2020-01-01T00:00:00Z' },
  { expires_at: 'tomorrow' },
  { expires_in: 60, expires_at: '2100-01-01T00:00:00Z' },
])('%j is refused', async (json) => {
  const { status, body } = await api.call('createKey', { json })
  expect([status, body.error.code]).toEqual([400, 'invalid_request'])
})

test('a key ends at its time, and says so to whoever has it', async () => {
  const made = await make({ expires_at: new Date(on.clock.now() + 60_000).toISOString() })
  expect(await statusOf(made)).toBe(200)
  on.clock.advance(61)
  const { status, body } = await as(made).call('listCapsules')
  expect([status, body.error.message]).toEqual([401, 'This API key has expired.'])
})

test.each(['revoked', 'expired'])('a key that is %s hears nothing more of what it had begun', async (how) => {
  const id = await new Ask(on).capsule()
  const made = await make({ expires_in: 60 })
  const keyed = { url: on.url, key: made.key }
  on.host.programs['wait'] = async function* (_, signal) {
    await once(signal, 'abort')
    yield { type: 'exit', exitCode: -1, timedOut: false, durationMs: 1 }
  }
  const events = await EventReader.open(keyed)
  const others = await EventReader.open(on)
  const byHeader = await new Socket(keyed, `/v1/capsules/${id}/exec/stream`).open()
  const byMessage = await new Socket(keyed, `/v1/capsules/${id}/pty`, { key: '' }).open()
  byMessage.say({ type: 'auth', token: made.key })
  byMessage.say({ type: 'start', cmd: 'wait' })
  await expect.poll(() => on.host.capsule(id).sessions.length).toBe(1)
  if (how === 'revoked') await api.call('revokeKey', { params: { id: made.id } })
  else on.clock.advance(61)
  await expect.poll(() => events.hasEnded).toBe(true)
  expect([await byHeader.closed, await byMessage.closed]).toEqual([1008, 1008])
  expect(others.hasEnded).toBe(false)
  others.close()
})

test('a tunnel ends with its key', async () => {
  const made = await make()
  const id = await new Ask(on).capsule()
  on.host.capsule(id).ports[80] = Number(new URL(on.url).port)
  const socket = connect(Number(new URL(on.url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `GET /v1/capsules/${id}/ports/80/tunnel HTTP/1.1\r\nHost: x\r\nX-API-Key: ${made.key}\r\nConnection: Upgrade\r\nUpgrade: wrenn-tunnel\r\n\r\n`,
  )
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 101 /)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await api.call('revokeKey', { params: { id: made.id } })
  await closed
})

test('a key that asks too often is told when to come again, and other keys are not', async () => {
  await on.end()
  await start({ rates: { perKey: 3 } })
  const made = await make()
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push(await statusOf(made))
  expect(statuses).toEqual([200, 200, 200, 429])
  const { headers, body } = await as(made).call('listCapsules')
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(1)
  expect(body.error).toMatchObject({ code: 'rate_limited', hint: expect.stringContaining('3 a minute') })
  expect((await api.call('listCapsules')).status).toBe(200)
})

test('whoever tries wrong keys is told to wait, and the owner at the same address is let in', async () => {
  await on.end()
  await start({ rates: { failures: 2 } })
  const wrong = { headers: { 'x-api-key': `wrn_${'0'.repeat(32)}` } }
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push((await api.call('listCapsules', wrong)).status)
  expect(statuses).toEqual([401, 401, 429, 429])
  expect((await api.call('listCapsules')).status).toBe(200)
  const socket = await new Socket(on, `/v1/capsules/${newId('capsule')}/pty`, { key: '' }).open()
  socket.say({ type: 'auth', token: 'wrong' })
  expect((await socket.next()).data).toMatch(/Too many wrong keys/)
})

test('a request without a key is no attempt at one', async () => {
  await on.end()
  await start({ rates: { failures: 1 } })
  for (let i = 0; i < 3; i++) expect((await fetch(`${on.url}/v1/capsules`)).status).toBe(401)
})
