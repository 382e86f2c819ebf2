/** How a server ends. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from 'node:net'
import { once } from 'node:events'
import { Api } from '../../../test/support/api.js'
import { createServer, makeLogger } from './index.js'
import { keyOf } from './testing/other-team.js'
import { serve, type Serving } from './testing/serve.js'

let on: Serving
let api: Api
beforeEach(async () => {
  on = await serve()
  api = new Api(on)
})
afterEach(() => on.end().catch(() => {}))

/** Far above what closing takes, far below what whoever waits for ever takes, in milliseconds. */
const SOON = 10_000

/** How long closing takes, in milliseconds. */
async function closing(): Promise<number> {
  const begun = performance.now()
  await on.server.close()
  return performance.now() - begun
}

test('a server that does nothing closes at once, though clients keep their connections', async () => {
  await api.call('getHealth')
  const idle = connect(Number(new URL(on.url).port), '127.0.0.1').on('error', () => {})
  await once(idle, 'connect')
  expect(await closing()).toBeLessThan(SOON)
  await expect(fetch(`${on.url}/health`)).rejects.toThrow()
})

test('an open stream does not keep a server from closing, and its program is ended', async () => {
  const { id } = (await api.call('createCapsule', { json: {} })).body
  let signal: AbortSignal | undefined
  on.host.programs['endless'] = async function* (_, given) {
    signal = given
    yield { type: 'stdout', data: Buffer.from('x') }
    await new Promise((resolve) => given.addEventListener('abort', resolve))
    yield { type: 'exit', exitCode: -1, timedOut: false, durationMs: 1 }
  }
  const response = await fetch(`${on.url}/v1/capsules/${id}/exec`, {
    method: 'POST',
    headers: { 'x-api-key': on.key, accept: 'application/x-ndjson' },
    body: '{"cmd":"endless"}',
  })
  const read = response.text().catch(() => 'cut')
  await expect.poll(() => signal).toBeDefined()
  expect(await closing()).toBeLessThan(SOON)
  expect(await read).toBe('cut')
  await expect.poll(() => signal!.aborted).toBe(true)
})

test('what is under way is waited for', async () => {
  const { id } = (await api.call('createCapsule', { json: {} })).body
  const gate = on.host.faults.hold('captured')
  const asked = api.call('createSnapshot', { json: { sandbox_id: id, name: 'a' } }).catch(() => 'cut')
  await expect.poll(() => gate.arrived).toBe(1)
  setTimeout(() => gate.open(), 600)
  await on.server.close()
  expect(await on.store.templates.find(on.store.teams.defaultId, 'a')).toMatchObject({ name: 'a' })
  expect(await asked).toBe('cut')
})

test('but not for ever', async () => {
  const { id } = (await api.call('createCapsule', { json: {} })).body
  const gate = on.host.faults.hold('captured')
  const asked = api.call('createSnapshot', { json: { sandbox_id: id, name: 'a' } }).catch(() => 'cut')
  await expect.poll(() => gate.arrived).toBe(1)
  expect(await closing()).toBeLessThan(SOON)
  expect(await asked).toBe('cut')
})

test('requests that come while the server closes are served or cut, never answered in another form', async () => {
  const { id } = (await api.call('createCapsule', { json: {} })).body
  const gate = on.host.faults.hold('diskUsedBytes')
  const socket = connect(Number(new URL(on.url).port), '127.0.0.1').on('error', () => {})
  let answer = ''
  socket.on('data', (data) => (answer += data.toString()))
  const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${on.key}\r\n\r\n`
  socket.write(head(`/v1/capsules/${id}`))
  await expect.poll(() => gate.arrived).toBe(1)
  const closed = on.server.close()
  socket.write(head('/health'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  gate.open()
  await Promise.all([closed, once(socket, 'close')])
  expect(answer).toContain('"running"')
  expect(answer).not.toContain('"statusCode"')
})

test('closing twice is closing once', async () => {
  await Promise.all([on.server.close(), on.server.close()])
  await on.server.close()
})

describe('listening where other machines reach it', () => {
  // An address for documentation, which no machine has: what is allowed fails too, but elsewhere.
  const outside = { host: '192.0.2.1', port: 0 }
  const revokeAll = async () => {
    const { keys, teams } = on.store
    const at = new Date().toISOString()
    for (const { id } of await keys.list(teams.defaultId)) await keys.revoke({ teamId: teams.defaultId, id, at })
  }
  const another = () => {
    const logger = makeLogger({ level: 'silent' })
    return createServer({ store: on.store, host: on.host, version: '1', logger, secret: new Uint8Array(32) })
  }

  test('needs a key that can be used', async () => {
    await on.server.close()
    await revokeAll()
    const server = await another()
    await expect(server.listen(outside)).rejects.toMatchObject({ code: 'forbidden' })
    await keyOf(on.store, { expiresAt: new Date(Date.now() - 1).toISOString() })
    await expect(server.listen(outside)).rejects.toMatchObject({ code: 'forbidden' })
    await server.close()
  })

  test('is done where there is one; on loopback none is needed', async () => {
    await on.server.close()
    const server = await another()
    await expect(server.listen(outside)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
    await server.close()
    await revokeAll()
    const local = await another()
    expect((await local.listen({ host: '127.0.0.1', port: 0 })).url).toMatch(/^http:\/\/127\.0\.0\.1:/)
    await local.close()
  })
})
