/** Forks where a host fails, waits or dies at a chosen step. */
import { newId, Problem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
let id: string
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  id = await ask.capsule({ timeout_sec: 600, metadata: { a: 'b' }, vcpus: 2 })
  ask.note(id, 'then')
})
afterEach(() => on.end())

const noRoom = new Problem('no_hosts_available', 'No room.')
const listed = async () => (await ask.api.call('listCapsules')).body.map((one: { id: string }) => one.id)

describe('a fork', () => {
  test('starts as many as asked from one capture, in order; the source runs on and nothing is left behind', async () => {
    const { status, body } = await ask.fork(id, { count: 5 })
    expect(status).toBe(201)
    expect(body).toHaveLength(5)
    ask.note(id, 'now')
    for (const fork of body) {
      expect(fork).toMatchObject({
        status: 'running',
        template: 'minimal',
        vcpus: 2,
        timeout_sec: 600,
        metadata: { a: 'b' },
      })
      expect(ask.read(fork.id)).toBe('then')
    }
    expect(new Set(body.map((one: { id: string }) => one.id)).size).toBe(5)
    expect((await listed()).toReversed()).toEqual([id, ...body.map((one: { id: string }) => one.id)])
    expect(await ask.status(id)).toBe('running')
    expect(on.host.capsule(id).isHeld).toBe(false)
    expect(on.host.snapshots.size).toBe(0)
    expect((await ask.api.call('listSnapshots', { query: '?type=snapshot' })).body).toEqual([])
  })

  test('makes one where nothing is said', async () => {
    for (const more of [{}, { raw: '' }, { json: {} }, { json: { count: null } }])
      expect((await ask.of('forkCapsule', id, more)).body).toHaveLength(1)
  })

  test.each([0, 101, -1, 1.5, '2'])('of %j is refused', async (count) => {
    const { status, body } = await ask.fork(id, { count })
    expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    expect(body.error.message).toContain('count')
  })

  test('of a fork works as well', async () => {
    const [{ id: first }] = (await ask.fork(id)).body
    const [{ id: second }] = (await ask.fork(first)).body
    expect(ask.read(second)).toBe('then')
    await ask.remove(first)
    expect(ask.read(second)).toBe('then')
  })

  test('comes from the same version as its source, and of what is gone from none', async () => {
    await ask.made('a', 'x')
    const source = await ask.capsule({ template: 'a@1' })
    const [{ id: fork }] = (await ask.fork(source)).body
    const { body } = await ask.snapshot({ sandbox_id: fork, name: 'b' })
    expect(body).toMatchObject({ parent: 'a', parent_version: 1 })
    await ask.removeTemplate('a')
    expect((await ask.fork(source)).body[0]).toMatchObject({ status: 'running', template: 'a@1' })
  })

  test('is refused for what does not run, before its body is read', async () => {
    const ended = await ask.capsule()
    await ask.remove(ended)
    expect((await ask.of('forkCapsule', newId('capsule'), { raw: '{' })).body.error.code).toBe('not_found')
    expect((await ask.of('forkCapsule', ended, { raw: '{' })).body.error.code).toBe('invalid_state')
    expect((await ask.of('forkCapsule', id, { raw: '{' })).body.error.code).toBe('invalid_request')
  })

  test('is completed although the client hangs up', async () => {
    const left = new AbortController()
    const { gate, asked } = await ask.at('capture', () => ask.of('forkCapsule', id, { signal: left.signal }))
    left.abort()
    await expect(asked).rejects.toThrow()
    gate.open()
    await expect.poll(async () => (await listed()).length).toBe(2)
    await expect.poll(() => on.host.snapshots.size).toBe(0)
  })
})

describe('the source', () => {
  test('is busy while it is captured, and free while the forks start', async () => {
    const capturing = await ask.at('captured', () => ask.fork(id, { count: 2 }))
    for (const call of [ask.fork(id), ask.pause(id), ask.snapshot({ sandbox_id: id })])
      expect((await call).body.error.code).toBe('invalid_state')
    expect((await ask.inside(id)).status).toBe(200)
    const gate = on.host.faults.hold('start')
    capturing.gate.open()
    await expect.poll(() => gate.arrived).toBe(2)
    expect((await ask.pause(id)).status).toBe(200)
    gate.open()
    expect(((await capturing.asked) as Answer).body).toMatchObject([{ status: 'running' }, { status: 'running' }])
  })

  test('may be deleted while the forks start', async () => {
    const { gate, asked } = await ask.at('start', () => ask.fork(id, { count: 2 }))
    expect((await ask.remove(id)).status).toBe(204)
    gate.open()
    for (const fork of ((await asked) as Answer).body) expect(ask.read(fork.id)).toBe('then')
  })
})

describe('a failure', () => {
  test.each(['capture', 'captured'] as const)('at %s leaves the source as it was, and no capsule', async (point) => {
    on.host.faults.failNext(point, noRoom)
    const { status, body } = await ask.fork(id, { count: 3 })
    expect([status, body.error.code]).toEqual([503, 'no_hosts_available'])
    expect(await listed()).toEqual([id])
    expect(on.host.snapshots.size).toBe(0)
    expect((await ask.fork(id)).status).toBe(201)
  })

  test('of one start takes no other with it: the answer says which and why', async () => {
    on.host.faults.failNext('start', noRoom)
    on.host.faults.failNext('started', new Error('/a/path'))
    const { status, body } = await ask.fork(id, { count: 4 })
    expect(status).toBe(201)
    expect(body.map((one: { status: string }) => one.status).sort()).toEqual(['error', 'error', 'running', 'running'])
    const reasons = body.flatMap((one: { reason?: string }) => (one.reason === undefined ? [] : [one.reason]))
    expect(reasons.sort()).toEqual(['No room.', 'The server failed to do this.'])
    expect(on.host.snapshots.size).toBe(0)
    const failed = body.find((one: { status: string }) => one.status === 'error')
    expect(await ask.get(failed.id)).toMatchObject({ status: 'error', reason: failed.reason })
  })

  test('of every start is the answer', async () => {
    for (let i = 0; i < 3; i++) on.host.faults.failNext('start', noRoom)
    const { status, body } = await ask.fork(id, { count: 3 })
    expect([status, body.error.code, body.error.message]).toEqual([503, 'no_hosts_available', 'No room.'])
    expect(await listed()).toEqual([id])
    expect(on.host.snapshots.size).toBe(0)
  })

  test('to remove what was forked from is logged, and made good at the next start', async () => {
    on.host.faults.failNext('deleteSnapshot', new Error('stuck'))
    expect((await ask.fork(id)).status).toBe(201)
    expect(on.log.join()).toContain('stuck')
    expect(on.host.snapshots.size).toBe(1)
    await on.restart()
    expect(on.host.snapshots.size).toBe(0)
  })

  test('because the source ended while it was captured leaves it in error', async () => {
    const { gate, asked } = await ask.at('capture', () => ask.fork(id))
    on.host.end(id, 'it was killed')
    await expect.poll(() => ask.status(id)).toBe('error')
    gate.open()
    expect(((await asked) as Answer).status).toBe(503)
    expect(await ask.get(id)).toMatchObject({ status: 'error', reason: 'it was killed' })
    expect((await ask.remove(id)).status).toBe(204)
  })

  test('because one was deleted while it started shows that, and the others run', async () => {
    const { gate, asked } = await ask.at('start', () => ask.fork(id, { count: 2 }))
    const [one] = (await listed()).filter((other: string) => other !== id)
    const deleted = ask.remove(one)
    await expect.poll(() => ask.status(one)).toBe('stopped')
    gate.open()
    expect((await deleted).status).toBe(204)
    const { body } = (await asked) as Answer
    expect(body.map((fork: { status: string }) => fork.status).sort()).toEqual(['running', 'stopped'])
  })
})
