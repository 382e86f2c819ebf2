/** What does not fit on the host is refused before anything of it is begun. */
import { Problem } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(() => on.end())

const full = () => new Problem('insufficient_storage', 'There is no room.', { hint: 'Delete some.', retryAfterSec: 60 })
const listed = async () => (await ask.api.call('listCapsules')).body as unknown[]

test('a capsule that does not fit leaves no row, and its answer says when to try again', async () => {
  on.host.faults.failNext('admit', full())
  const { status, headers, body } = await ask.api.call('createCapsule', { json: { memory_mb: 256 } })
  expect([status, headers.get('retry-after')]).toEqual([507, '60'])
  expect(body.error).toMatchObject({ code: 'insufficient_storage', hint: 'Delete some.' })
  expect(on.host.admitted).toEqual([{ count: 1, memoryMb: 256 }])
  expect(await listed()).toEqual([])
})

test('room is asked for last: what is wrong with a request is said all the same', async () => {
  const answer = await ask.api.call('createCapsule', { json: { template: 'nothing' } })
  expect(answer.status).toBe(404)
  expect((await ask.api.call('createCapsule', { json: { vcpus: 99 } })).status).toBe(400)
  expect(on.host.admitted).toEqual([])
})

test('a fork is refused as a whole, before its capture', async () => {
  const id = await ask.capsule()
  on.host.faults.failNext('admit', new Problem('no_hosts_available', 'No room.', { retryAfterSec: 7 }))
  const { status, headers } = await ask.fork(id, { count: 100 })
  expect([status, headers.get('retry-after')]).toEqual([503, '7'])
  expect(on.host.admitted.at(-1)).toEqual({ count: 100, memoryMb: 512 })
  expect(await listed()).toHaveLength(1)
  expect(await ask.status(id)).toBe('running')
  expect((await ask.fork(id)).status).toBe(201)
})

test('a capsule whose capture does not fit runs on, and its template is as it was', async () => {
  const id = await ask.capsule()
  on.host.faults.failNext('capture', full())
  expect((await ask.snapshot({ sandbox_id: id, name: 'one' })).status).toBe(507)
  on.host.faults.failNext('capture', full())
  expect((await ask.pause(id)).status).toBe(507)
  expect(await ask.status(id)).toBe('running')
  expect((await ask.template('one')).status).toBe(404)
  expect((await ask.remove(id)).status).toBe(204)
})

test('what the host has room for is a metric', async () => {
  const text = (await ask.api.send('GET', '/metrics')).bytes.toString()
  expect(text).toContain('wrenn_host_disk_free_bytes 9000')
  expect(text).toContain('wrenn_host_captures_waiting 2')
})
