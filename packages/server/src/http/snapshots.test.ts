/** POST /v1/snapshots where a host fails, waits or dies at a chosen step, which no real one does when asked. */
import { newId, Problem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
beforeEach(async () => {
  on = await serve()
  api = new Api(on)
})
afterEach(() => on.end())

const capsule = async (template = 'minimal') =>
  (await api.call('createCapsule', { json: { template } })).body.id as string
const snapshot = (json: object, query = '') => api.call('createSnapshot', { json, query })
const template = (name: string) => api.call('getSnapshot', { params: { name } })
const status = async (id: string) => (await api.call('getCapsule', { params: { id } })).body.status as string
const note = (id: string, text: string) => on.host.capsule(id).files.set('/note', Buffer.from(text))
const read = (id: string) => on.host.capsule(id).files.get('/note')?.toString()

/** A template whose capsules have a note that says `text`. */
async function made(name: string, text: string): Promise<void> {
  const id = await capsule()
  note(id, text)
  expect((await snapshot({ sandbox_id: id, name })).status).toBe(201)
}

describe('what is done', () => {
  test('a capsule is captured, then the name means it, then the source is destroyed', async () => {
    const id = await capsule()
    note(id, 'kept')
    const gate = on.host.faults.hold('destroy')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    expect((await template('a')).body.version).toBe(1)
    expect(await status(id)).toBe('stopped')
    gate.open()
    expect((await asked).body).toEqual({
      name: 'a',
      type: 'snapshot',
      vcpus: 1,
      memory_mb: 512,
      size_bytes: 4096,
      created_at: expect.any(String),
      platform: false,
      protected: false,
      metadata: { kernel: '1', vmm: '2', agent: '3' },
      version: 1,
      parent: 'minimal',
      parent_version: 1,
      source: id,
      keep_versions: 3,
    })
    expect(on.host.capsules.has(id)).toBe(false)
    expect(read(await capsule('a'))).toBe('kept')
  })

  test('while it is captured a capsule shows what it still is, and the name does not resolve', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    expect(await status(id)).toBe('running')
    expect((await template('a')).status).toBe(404)
    expect((await api.call('createCapsule', { json: { template: 'a' } })).status).toBe(404)
    gate.open()
    expect((await asked).status).toBe(201)
  })

  test('a kept source runs on as soon as it is captured, and is free for the next snapshot when all is done', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: id, name: 'a', keep_source: true })
    await expect.poll(() => gate.arrived).toBe(1)
    expect(on.host.capsule(id).isHeld).toBe(false)
    expect((await snapshot({ sandbox_id: id, name: 'b' })).body.error.code).toBe('invalid_state')
    gate.open()
    expect((await asked).status).toBe(201)
    expect((await snapshot({ sandbox_id: id, name: 'b' })).status).toBe(201)
  })

  test('the answer stands although the template is deleted before it is given', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('destroy')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    expect((await api.call('deleteSnapshot', { params: { name: 'a' } })).status).toBe(204)
    await expect.poll(() => on.host.snapshots.size).toBe(0)
    gate.open()
    expect((await asked).body).toMatchObject({ name: 'a', version: 1 })
  })

  test('a source that cannot be destroyed is logged and gone after a restart; the template stands', async () => {
    const id = await capsule()
    on.host.faults.failNext('destroy', new Error('stuck'))
    expect((await snapshot({ sandbox_id: id, name: 'a' })).status).toBe(201)
    expect(await status(id)).toBe('stopped')
    expect(on.log.join()).toContain('stuck')
    expect(on.host.capsules.has(id)).toBe(true)
    await on.restart()
    expect(on.host.capsules.has(id)).toBe(false)
    expect((await template('a')).status).toBe(200)
  })

  test('a kept source is not released a second time, whether it goes well or fails', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('release')
    expect((await snapshot({ sandbox_id: id, name: 'a', keep_source: true })).status).toBe(201)
    on.host.faults.failNext('captured', new Error('broken'))
    expect((await snapshot({ sandbox_id: id, name: 'b', keep_source: true })).status).toBe(500)
    expect(gate.arrived).toBe(0)
    expect((await api.call('deleteCapsule', { params: { id } })).status).toBe(204)
    expect(on.host.capsules.has(id)).toBe(false)
  })

  test('it is completed although the client hangs up', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('capture')
    const left = new AbortController()
    const json = { sandbox_id: id, name: 'a' }
    const asked = api.call('createSnapshot', { json, signal: left.signal }).catch(() => 'left')
    await expect.poll(() => gate.arrived).toBe(1)
    left.abort()
    expect(await asked).toBe('left')
    gate.open()
    await expect.poll(() => status(id)).toBe('stopped')
    expect((await template('a')).status).toBe(200)
  })
})

describe('a failure', () => {
  test.each([
    { point: 'capture', error: new Problem('insufficient_storage', 'It is full.'), is: [507, 'insufficient_storage'] },
    { point: 'capture', error: new Problem('no_hosts_available', 'No room.'), is: [503, 'no_hosts_available'] },
    { point: 'captured', error: new Problem('host_unavailable', 'No answer.'), is: [503, 'host_unavailable'] },
    { point: 'capture', error: new Error('/a/path of the host'), is: [500, 'internal_error'] },
  ] as const)(
    'at $point ($error.message) leaves source and old template as they were',
    async ({ point, error, is }) => {
      await made('a', 'old')
      const before = (await template('a')).body
      const id = await capsule()
      on.host.faults.failNext(point, error)
      const { status: answered, body } = await snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true')
      expect([answered, body.error.code]).toEqual(is)
      expect(JSON.stringify(body)).not.toContain('/a/path')
      expect(await status(id)).toBe('running')
      expect((await template('a')).body).toEqual(before)
      expect(read(await capsule('a'))).toBe('old')
    },
  )

  test('under a new name leaves the name free, and the next attempt is its first version', async () => {
    const id = await capsule()
    on.host.faults.failNext('capture', new Error('broken'))
    expect((await snapshot({ sandbox_id: id, name: 'a' })).status).toBe(500)
    expect((await template('a')).status).toBe(404)
    expect((await snapshot({ sandbox_id: id, name: 'a' })).body.version).toBe(1)
  })

  test('of the step that moves the name removes the snapshot and lets the source run on', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    // The row is taken away under it, as no request could.
    await on.store.transaction(async (store) => {
      for (const { id: version } of await store.versions.pending()) await store.versions.remove(version)
      for (const name of [await store.names.find(store.teams.defaultId, 'a')])
        await store.names.removeIfUnused(name!.id)
    })
    gate.open()
    expect((await asked).status).toBe(500)
    expect(on.host.snapshots.size).toBe(0)
    expect(on.host.capsule(id).isHeld).toBe(false)
    expect(await status(id)).toBe('running')
    expect((await template('a')).status).toBe(404)
  })

  test('because the capsule ended by itself leaves it in error, with nothing of the snapshot', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    on.host.end(id, 'it was killed')
    await expect.poll(() => status(id)).toBe('error')
    gate.open()
    expect((await asked).body.error.code).toBe('invalid_state')
    expect(on.host.snapshots.size).toBe(0)
    expect((await template('a')).status).toBe(404)
  })

  test('of one step of taking back does not keep the others from being taken back', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    on.host.end(id, 'it was killed')
    on.host.faults.failNext('deleteSnapshot', new Error('stuck'))
    await expect.poll(() => status(id)).toBe('error')
    gate.open()
    expect((await asked).status).toBe(409)
    expect((await template('a')).status).toBe(404)
    expect((await snapshot({ sandbox_id: await capsule(), name: 'a' })).body.version).toBe(1)
    await on.restart()
    expect(on.host.snapshots.size).toBe(1)
  })
})

describe('two at once', () => {
  test('for one name: the first has it, the other is a conflict before anything is captured', async () => {
    const gate = on.host.faults.hold('capture')
    const [one, other] = [await capsule(), await capsule()]
    const asked = snapshot({ sandbox_id: one, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    expect((await snapshot({ sandbox_id: other, name: 'a' })).body.error.code).toBe('conflict')
    expect(gate.arrived).toBe(1)
    gate.open()
    expect((await asked).status).toBe(201)
    expect(await status(other)).toBe('running')
  })

  test('for one name with overwrite: both succeed, and the one that ended later is what it means', async () => {
    await made('a', 'old')
    const [one, other] = [await capsule(), await capsule()]
    note(one, 'one')
    note(other, 'other')
    const gate = on.host.faults.hold('captured')
    const asked = snapshot({ sandbox_id: one, name: 'a' }, '?overwrite=true')
    await expect.poll(() => gate.arrived).toBe(1)
    expect(read(await capsule('a'))).toBe('old')
    const second = snapshot({ sandbox_id: other, name: 'a' }, '?overwrite=true')
    await expect.poll(() => gate.arrived).toBe(2)
    gate.open()
    const answers = await Promise.all([asked, second])
    expect(answers.map((answer) => answer.status)).toEqual([201, 201])
    const later = answers[0].body.version > answers[1].body.version ? 'one' : 'other'
    expect(read(await capsule('a'))).toBe(later)
    expect((await template('a')).body.version).toBe(3)
    expect(read(await capsule('a@1'))).toBe('old')
    expect(read(await capsule('a@2'))).toBe(later === 'one' ? 'other' : 'one')
    expect(on.host.snapshots.size).toBe(3)
  })

  test('for one capsule: the second is in the wrong state, and its name stays free', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('capture')
    const asked = snapshot({ sandbox_id: id, name: 'a' })
    await expect.poll(() => gate.arrived).toBe(1)
    expect((await snapshot({ sandbox_id: id, name: 'b' })).body.error.code).toBe('invalid_state')
    gate.open()
    expect((await asked).status).toBe(201)
    expect((await snapshot({ sandbox_id: await capsule(), name: 'b' })).status).toBe(201)
  })

  test('a delete of the source waits until it is captured', async () => {
    const id = await capsule()
    const gate = on.host.faults.hold('capture')
    const asked = snapshot({ sandbox_id: id, name: 'a', keep_source: true })
    await expect.poll(() => gate.arrived).toBe(1)
    const deleted = api.call('deleteCapsule', { params: { id } })
    gate.open()
    expect((await asked).status).toBe(201)
    expect((await deleted).status).toBe(204)
    expect(await status(id)).toBe('stopped')
    expect(on.host.capsules.has(id)).toBe(false)
  })
})

describe('old content', () => {
  test('that is overwritten or deleted goes, but not while a capsule is starting from it', async () => {
    await made('a', 'old')
    const gate = on.host.faults.hold('start')
    const starting = capsule('a')
    await expect.poll(() => gate.arrived).toBe(1)
    expect((await api.call('deleteSnapshot', { params: { name: 'a' } })).status).toBe(204)
    expect(on.host.snapshots.size).toBe(1)
    gate.open()
    expect(read(await starting)).toBe('old')
    await expect.poll(() => on.host.snapshots.size).toBe(0)
  })

  test('that cannot be removed now is removed a moment later', async () => {
    await made('a', 'old')
    on.host.faults.failNext('deleteSnapshot', new Error('stuck'))
    expect((await api.call('deleteSnapshot', { params: { name: 'a' } })).status).toBe(204)
    await expect.poll(() => on.log.join()).toContain('could not be done')
    expect(on.host.snapshots.size).toBe(1)
    on.clock.advance(1)
    await expect.poll(() => on.host.snapshots.size).toBe(0)
  })
})

describe('the order of checks', () => {
  const missing = newId('capsule')
  test('each failure comes before those behind it', async () => {
    await made('taken', 'x')
    const stopped = await capsule()
    await api.call('deleteCapsule', { params: { id: stopped } })
    const code = async (ask: object) => (await api.call('createSnapshot', ask)).body.error
    expect((await code({ raw: '{"sandbox_id":' })).message).toContain('JSON')
    expect((await code({ json: { sandbox_id: 'x', name: 'minimal' } })).message).toContain('sandbox_id')
    expect((await code({ json: { sandbox_id: missing, name: '-' } })).message).toContain('name')
    for (const query of ['', '?overwrite=true']) {
      expect((await code({ json: { sandbox_id: missing, name: 'minimal' }, query })).code).toBe('name_reserved')
    }
    expect((await code({ json: { sandbox_id: missing, name: 'taken' } })).code).toBe('conflict')
    expect((await code({ json: { sandbox_id: missing, name: 'free' } })).code).toBe('not_found')
    expect((await code({ json: { sandbox_id: stopped, name: 'free' } })).code).toBe('invalid_state')
  })

  test('only the exact word overwrites, given once', async () => {
    await made('taken', 'x')
    for (const query of ['?overwrite=True', '?overwrite=1', '?overwrite', '?overwrite=true%20', '?Overwrite=true']) {
      const answer = await snapshot({ sandbox_id: missing, name: 'taken' }, query)
      expect(answer.body.error.code, query).toBe('conflict')
    }
  })
})
