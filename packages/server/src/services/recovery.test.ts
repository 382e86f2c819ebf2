/** What a server finds when it starts after another that ended at any moment. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import type { Point } from '../testing/memory-host.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
const api = () => new Api(on)
beforeEach(async () => {
  on = await serve()
})
afterEach(() => on.end())

const capsule = async (template = 'minimal') =>
  (await api().call('createCapsule', { json: { template } })).body.id as string
const status = async (id: string) => (await api().call('getCapsule', { params: { id } })).body.status as string
const exec = (id: string) => api().call('exec', { params: { id }, json: { cmd: 'any' } })
const snapshot = (json: object) => api().call('createSnapshot', { json })

/** Begins something that never ends, and restarts. */
async function restartDuring(point: Point, begin: () => Promise<unknown>): Promise<void> {
  const gate = on.host.faults.hold(point)
  const begun = begin().catch(() => undefined)
  await expect.poll(() => gate.arrived).toBeGreaterThan(0)
  on.host.faults.hold(point).open()
  await on.restart()
  await begun
}

test('capsules that still run are taken up, and the host is told of nothing else', async () => {
  const [kept, deleted] = [await capsule(), await capsule()]
  await api().call('deleteCapsule', { params: { id: deleted } })
  await snapshot({ sandbox_id: await capsule(), name: 'a' })
  const [stored] = on.host.snapshots.keys()
  await on.restart()
  expect(on.host.expected).toEqual({ capsuleIds: [kept], snapshotIds: [stored] })
  expect(await status(kept)).toBe('running')
  expect((await api().call('getSnapshot', { params: { name: 'a' } })).status).toBe(200)
})

test('a capsule that is gone is missing, says why, and may be deleted', async () => {
  const id = await capsule()
  on.host.capsules.delete(id)
  await on.restart()
  expect(await status(id)).toBe('missing')
  expect((await api().call('listCapsules')).body).toHaveLength(1)
  expect((await exec(id)).body.error.message).toContain('it is gone')
  expect((await api().call('deleteCapsule', { params: { id } })).status).toBe(204)
  expect(await status(id)).toBe('stopped')
})

test('a start that was under way is in error', async () => {
  await restartDuring('start', () => api().call('createCapsule', { json: {} }))
  expect((await api().call('listCapsules')).body).toEqual([])
  expect(on.host.expected?.capsuleIds).toEqual([])
})

test('a capture that was under way is taken back: the source runs on and the name is free', async () => {
  const id = await capsule()
  await restartDuring('capture', () => snapshot({ sandbox_id: id, name: 'a' }))
  expect(on.host.expected).toEqual({ capsuleIds: [id], snapshotIds: [] })
  expect(await status(id)).toBe('running')
  expect((await api().call('getSnapshot', { params: { name: 'a' } })).status).toBe(404)
  expect((await snapshot({ sandbox_id: id, name: 'a' })).body.version).toBe(1)
})

test('a delete that was under way is completed', async () => {
  const id = await capsule()
  await restartDuring('destroy', () => api().call('deleteCapsule', { params: { id } }))
  expect(on.host.expected?.capsuleIds).toEqual([])
  expect(on.host.capsules.has(id)).toBe(false)
  expect(await status(id)).toBe('stopped')
})

test('the names of the platform mean what the host offers now', async () => {
  const changed = { ...on.host.offered[0]!, id: 'img-newer', sizeBytes: 2000 }
  on.host.offered = [changed]
  const id = await capsule()
  await on.restart()
  const { body } = await api().call('listSnapshots')
  expect(body).toMatchObject([{ name: 'minimal', size_bytes: 2000, platform: true, type: 'base', vcpus: null }])
  expect(await status(id)).toBe('running')
  await capsule()
  expect([...on.host.capsules.values()].at(-1)!.spec.source).toEqual({ kind: 'image', imageId: 'img-newer' })
})

describe('a pause that was under way', () => {
  test.each(['capture', 'captured'] as const)('at %s is taken back: the capsule runs on', async (point) => {
    const id = await capsule()
    await restartDuring(point, () => new Ask(on).pause(id))
    expect(on.host.expected).toEqual({ capsuleIds: [id], snapshotIds: [] })
    expect([await status(id), on.host.snapshots.size, on.host.capsule(id).isHeld]).toEqual(['running', 0, false])
    expect((await new Ask(on).pause(id)).status).toBe(200)
  })

  test('and stands already is completed: the process is ended, and the capsule may go on', async () => {
    const id = await capsule()
    new Ask(on).note(id, 'kept')
    await restartDuring('destroy', () => new Ask(on).pause(id))
    expect(on.host.expected).toEqual({ capsuleIds: [], snapshotIds: [[...on.host.snapshots.keys()][0]] })
    expect([await status(id), on.host.capsules.size]).toEqual(['paused', 0])
    expect((await new Ask(on).resume(id)).status).toBe(200)
    expect(new Ask(on).read(id)).toBe('kept')
  })
})

describe('a paused capsule', () => {
  test('is paused after any number of restarts', async () => {
    const id = await capsule()
    new Ask(on).note(id, 'kept')
    await new Ask(on).pause(id)
    for (let i = 0; i < 3; i++) await on.restart()
    expect(await status(id)).toBe('paused')
    expect((await new Ask(on).resume(id)).status).toBe(200)
    expect(new Ask(on).read(id)).toBe('kept')
  })

  test.each(['destroy', 'start', 'started'] as const)(
    'whose resume was under way at %s is still paused',
    async (point) => {
      const id = await capsule()
      new Ask(on).note(id, 'kept')
      await new Ask(on).pause(id)
      const [pause] = on.host.snapshots.keys()
      await restartDuring(point, () => new Ask(on).resume(id))
      expect(on.host.expected).toEqual({ capsuleIds: [], snapshotIds: [pause] })
      expect([await status(id), on.host.capsules.size]).toEqual(['paused', 0])
      expect((await new Ask(on).resume(id)).status).toBe(200)
      expect(new Ask(on).read(id)).toBe('kept')
    },
  )

  test('whose resume stood already runs, and its pause is gone', async () => {
    const id = await capsule()
    await new Ask(on).pause(id)
    await restartDuring('deleteSnapshot', () => new Ask(on).resume(id))
    expect(on.host.expected).toEqual({ capsuleIds: [id], snapshotIds: [] })
    expect([await status(id), on.host.snapshots.size]).toEqual(['running', 0])
  })

  test.each(['destroy', 'deleteSnapshot'] as const)(
    'whose delete was under way at %s is gone, and so is its pause',
    async (point) => {
      const id = await capsule()
      await new Ask(on).pause(id)
      await restartDuring(point, () => new Ask(on).remove(id))
      expect(on.host.expected).toEqual({ capsuleIds: [], snapshotIds: [] })
      expect([await status(id), on.host.snapshots.size]).toEqual(['stopped', 0])
    },
  )
})

describe('a fork that was under way', () => {
  test.each(['capture', 'captured'] as const)('at %s leaves its source running, and nothing else', async (point) => {
    const id = await capsule()
    await restartDuring(point, () => new Ask(on).fork(id, { count: 3 }))
    expect(on.host.expected).toEqual({ capsuleIds: [id], snapshotIds: [] })
    expect([on.host.snapshots.size, on.host.capsules.size]).toEqual([0, 1])
    expect((await new Ask(on).fork(id)).status).toBe(201)
  })

  test.each(['start', 'started'] as const)('at %s leaves no capsule half started', async (point) => {
    const id = await capsule()
    await restartDuring(point, () => new Ask(on).fork(id, { count: 3 }))
    expect(on.host.expected).toEqual({ capsuleIds: [id], snapshotIds: [] })
    expect([on.host.snapshots.size, on.host.capsules.size]).toEqual([0, 1])
    expect((await api().call('listCapsules')).body.map((one: { id: string }) => one.id)).toEqual([id])
  })

  test('and whose capsules run already keeps them, without what they came from', async () => {
    const id = await capsule()
    await restartDuring('deleteSnapshot', () => new Ask(on).fork(id, { count: 3 }))
    expect(on.host.expected?.capsuleIds).toHaveLength(4)
    expect([on.host.snapshots.size, on.host.capsules.size]).toEqual([0, 4])
    expect((await api().call('listCapsules')).body).toHaveLength(4)
  })
})

describe('an overwrite that was under way', () => {
  test.each(['capture', 'captured'] as const)('at %s is taken back: the name means what it did', async (point) => {
    const ask = new Ask(on)
    await ask.made('a', 'one')
    await ask.made('a', 'two')
    const id = await capsule()
    const kept = [...on.host.snapshots.keys()]
    await restartDuring(point, () => ask.snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true'))
    expect(on.host.expected?.snapshotIds.toSorted()).toEqual(kept.toSorted())
    expect(await ask.numbers('a')).toEqual(['2!', 1])
    expect(await status(id)).toBe('running')
    expect((await ask.made('a', 'three')).version).toBe(3)
    expect(ask.read(await ask.capsule({ template: 'a@1' }))).toBe('one')
  })

  test('and stands already is completed: the source is gone, and so is what is too old', async () => {
    const ask = new Ask(on)
    for (const text of ['one', 'two', 'three']) await ask.made('a', text)
    const id = await capsule()
    ask.note(id, 'four')
    await restartDuring('destroy', () => ask.snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true'))
    expect(await ask.numbers('a')).toEqual(['4!', 3, 2])
    expect(await status(id)).toBe('stopped')
    expect(on.host.capsules.has(id)).toBe(false)
    await expect.poll(() => on.host.snapshots.size).toBe(3)
    expect(ask.read(await ask.capsule({ template: 'a' }))).toBe('four')
  })

  test('and whose old version was being removed removes it then', async () => {
    const ask = new Ask(on)
    for (const text of ['one', 'two', 'three']) await ask.made('a', text)
    await restartDuring('deleteSnapshot', () => ask.made('a', 'four'))
    await expect.poll(() => on.host.snapshots.size).toBe(3)
    expect(await ask.numbers('a')).toEqual(['4!', 3, 2])
  })
})
