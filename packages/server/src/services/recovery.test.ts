/** What a server finds when it starts after another that ended at any moment. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
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
async function restartDuring(point: 'capture' | 'destroy' | 'start', begin: () => Promise<unknown>): Promise<void> {
  const gate = on.host.faults.hold(point)
  const begun = begin().catch(() => undefined)
  await expect.poll(() => gate.arrived).toBe(1)
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
