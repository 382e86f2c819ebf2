/** Every statement of the contract about POST /v1/snapshots and its siblings. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newId } from '@wrenn/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Api } from '../support/api.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
let api: Api
beforeAll(async () => {
  wrenn = await startFake()
  api = new Api(wrenn)
})
afterAll(() => wrenn.end())

let count = 0
const freshName = () => `name-${++count}`

async function capsule(template = 'minimal'): Promise<string> {
  const { status, body } = await api.call('createCapsule', { json: { template } })
  expect(status).toBe(201)
  return body.id as string
}

const snapshot = (json: unknown, query = '') => api.call('createSnapshot', { json, query })
const status = async (id: string) => (await api.call('getCapsule', { params: { id } })).body.status as string
const put = (id: string, text: string) =>
  api.call('exec', { params: { id }, json: { cmd: 'put', args: ['/root/note', text] } })
const note = async (id: string) =>
  (await api.call('readFile', { params: { id }, json: { path: '/root/note' } })).bytes.toString()

/** A template whose note says `text`. */
async function template(name: string, text: string): Promise<void> {
  const id = await capsule()
  await put(id, text)
  expect((await snapshot({ sandbox_id: id, name })).status).toBe(201)
}

describe('a snapshot', () => {
  test('makes a template of a running capsule, and destroys the source', async () => {
    const id = await capsule()
    await put(id, 'kept')
    await api.call('exec', {
      params: { id },
      json: { cmd: 'sleep', args: ['infinity'], background: true, tag: 'worker' },
    })
    const name = freshName()
    const { status: code, body } = await snapshot({ sandbox_id: id, name })
    expect(code).toBe(201)
    expect(body).toMatchObject({
      name,
      type: 'snapshot',
      vcpus: 1,
      memory_mb: 512,
      platform: false,
      protected: false,
      version: 1,
      parent: 'minimal',
    })
    expect(body.size_bytes).toBeGreaterThan(0)
    expect(Object.keys(body.metadata).sort()).toEqual(['agent', 'kernel', 'vmm'])
    expect(Date.parse(body.created_at)).toBeGreaterThan(Date.now() - 60_000)
    expect(await status(id)).toBe('stopped')
    expect((await api.call('listCapsules')).body.map((c: { id: string }) => c.id)).not.toContain(id)
    expect(wrenn.world.machineOf(id)).toBeUndefined()
    const again = await capsule(name)
    expect(await note(again)).toBe('kept')
    expect((await api.call('listProcesses', { params: { id: again } })).body.processes[0].tag).toBe('worker')
  })

  test('without a name, or with null, gets one', async () => {
    for (const name of [undefined, null]) {
      const { body } = await snapshot({ sandbox_id: await capsule(), name })
      expect(body.name).toMatch(/^template-[0-9a-f]{8}$/)
    }
  })

  test('keeps its own size whatever a start asks for', async () => {
    const { body: made } = await api.call('createCapsule', { json: { vcpus: 2, memory_mb: 256 } })
    const name = freshName()
    await snapshot({ sandbox_id: made.id, name })
    const { body } = await api.call('createCapsule', { json: { template: name, vcpus: 4, memory_mb: 1024 } })
    expect(body).toMatchObject({ vcpus: 2, memory_mb: 256, template: name })
  })

  test('with keep_source leaves the source running, and what it does later is not in the template', async () => {
    const id = await capsule()
    await put(id, 'then')
    const name = freshName()
    expect((await snapshot({ sandbox_id: id, name, keep_source: true })).status).toBe(201)
    expect(await status(id)).toBe('running')
    await put(id, 'now')
    expect(await note(id)).toBe('now')
    expect(await note(await capsule(name))).toBe('then')
  })

  test('is complete even when the client hangs up', async () => {
    const id = await capsule()
    const name = freshName()
    const gate = wrenn.world.hold('capture')
    const left = new AbortController()
    const asked = api
      .call('createSnapshot', { json: { sandbox_id: id, name }, signal: left.signal })
      .catch(() => 'left')
    await expect.poll(() => gate.queue).toBe(1)
    expect(await status(id)).toBe('running')
    left.abort()
    expect(await asked).toBe('left')
    gate.open()
    await expect.poll(() => status(id)).toBe('stopped')
    expect((await api.call('getSnapshot', { params: { name } })).status).toBe(200)
  })
})

describe('the order of checks', () => {
  const missing = newId('capsule')
  test('malformed JSON comes first', async () => {
    for (const raw of ['{', '', 'null', '[]', '"x"', new Uint8Array([0x7b, 0xff, 0x7d])]) {
      const { status: code, body } = await api.call('createSnapshot', {
        raw,
        headers: { 'content-type': 'text/plain' },
      })
      expect([code, body.error.code]).toEqual([400, 'invalid_request'])
    }
  })

  test('then the capsule id, present, a string and well formed', async () => {
    for (const json of [
      {},
      { sandbox_id: 1 },
      { sandbox_id: null },
      { sandbox_id: 'x' },
      { sandbox_id: missing.toUpperCase() },
      { sandbox_id: `${missing}/..` },
    ]) {
      const { status: code, body } = await snapshot({ name: '../bad', ...json })
      expect([code, body.error.code]).toEqual([400, 'invalid_request'])
      expect(body.error.message).toContain('sandbox_id')
    }
  })

  test('then the name', async () => {
    for (const name of ['', ' a', 'a ', '../a', '.a', '-a', 'a/b', 'a\0b', 'ä', 'x'.repeat(65), 7, {}]) {
      const { status: code, body } = await snapshot({ sandbox_id: missing, name })
      expect([code, body.error.code], JSON.stringify(name)).toEqual([400, 'invalid_request'])
      expect(body.error.message).toContain('name')
    }
  })

  test("then a platform template's name, which no overwrite helps", async () => {
    for (const query of ['', '?overwrite=true']) {
      const { status: code, body } = await snapshot({ sandbox_id: missing, name: 'base-python' }, query)
      expect([code, body.error.code]).toEqual([409, 'name_reserved'])
    }
  })

  test('then a taken name without overwrite; only the exact word counts', async () => {
    const name = freshName()
    await template(name, 'old')
    for (const query of [
      '',
      '?overwrite=false',
      '?overwrite=1',
      '?overwrite=TRUE',
      '?overwrite',
      '?overwrite=true%20',
    ]) {
      const { status: code, body } = await snapshot({ sandbox_id: missing, name }, query)
      expect([code, body.error.code], query).toEqual([409, 'conflict'])
    }
    const { status: code, body } = await snapshot({ sandbox_id: missing, name }, '?overwrite=true')
    expect([code, body.error.code]).toEqual([404, 'not_found'])
  })

  test('then the capsule, which is unknown or not running', async () => {
    expect((await snapshot({ sandbox_id: missing })).body.error.code).toBe('not_found')
    const id = await capsule()
    await api.call('deleteCapsule', { params: { id } })
    const { status: code, body } = await snapshot({ sandbox_id: id, name: freshName() })
    expect([code, body.error.code]).toEqual([409, 'invalid_state'])
  })

  test('names differ by case', async () => {
    await template('Case', 'upper')
    await template('case', 'lower')
    expect(await note(await capsule('Case'))).toBe('upper')
  })
})

describe('a snapshot that fails', () => {
  test('for any reason leaves the source running and the old template as it was', async () => {
    const name = freshName()
    await template(name, 'old')
    const before = (await api.call('getSnapshot', { params: { name } })).body
    const id = await capsule()
    await put(id, 'new')
    const files = () => readdir(join(wrenn.dataDir, 'snapshots'))
    const stored = await files()
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    for (const [point, error, expected] of [
      ['pause', new Error('broken'), [503, 'host_unavailable']],
      ['capture', new Error('broken'), [503, 'host_unavailable']],
      ['capture', full, [507, 'insufficient_storage']],
    ] as const) {
      wrenn.world.failNext(point, error)
      const { status: code, body } = await snapshot({ sandbox_id: id, name }, '?overwrite=true')
      expect([code, body.error.code]).toEqual(expected)
      expect(await status(id)).toBe('running')
      expect(await note(id)).toBe('new')
      expect((await api.call('getSnapshot', { params: { name } })).body).toEqual(before)
      expect(await files()).toEqual(stored)
    }
    expect(await note(await capsule(name))).toBe('old')
    expect((await snapshot({ sandbox_id: id, name }, '?overwrite=true')).body.version).toBe(2)
  })

  test('under a new name leaves the name free', async () => {
    const name = freshName()
    const id = await capsule()
    wrenn.world.failNext('capture', new Error('broken'))
    expect((await snapshot({ sandbox_id: id, name })).status).toBe(503)
    expect((await api.call('getSnapshot', { params: { name } })).status).toBe(404)
    expect((await snapshot({ sandbox_id: id, name })).body.version).toBe(1)
  })

  test('when its files cannot be published is undone too', async () => {
    const id = await capsule()
    const name = freshName()
    const dir = join(wrenn.dataDir, 'snapshots')
    await mkdir(`${dir}.aside`)
    await rm(`${dir}.aside`, { recursive: true })
    const { rename } = await import('node:fs/promises')
    await rename(dir, `${dir}.aside`)
    await writeFile(dir, 'in the way')
    const { status: code } = await snapshot({ sandbox_id: id, name })
    await rm(dir)
    await rename(`${dir}.aside`, dir)
    expect(code).toBe(503)
    expect(await status(id)).toBe('running')
    expect((await api.call('getSnapshot', { params: { name } })).status).toBe(404)
    expect(await readdir(join(wrenn.dataDir, 'staging'))).toEqual([])
  })

  test('because the capsule died says so, and the capsule is in error', async () => {
    const id = await capsule()
    const gate = wrenn.world.hold('capture')
    const name = freshName()
    const asked = snapshot({ sandbox_id: id, name })
    await expect.poll(() => gate.queue).toBe(1)
    wrenn.world.machineOf(id)!.end('it was killed')
    wrenn.world.failNext('capture', new Error('gone'))
    gate.open()
    expect((await asked).status).toBe(503)
    await expect.poll(() => status(id)).toBe('error')
    expect((await api.call('getSnapshot', { params: { name } })).status).toBe(404)
  })
})

describe('an overwrite', () => {
  test('moves the name in one step: it resolves at every moment, and what runs keeps the old', async () => {
    const name = freshName()
    await template(name, 'one')
    const old = await capsule(name)
    const id = await capsule()
    await put(id, 'two')
    const gate = wrenn.world.hold('capture')
    const asked = snapshot({ sandbox_id: id, name }, '?overwrite=true')
    await expect.poll(() => gate.queue).toBe(1)
    expect(await note(await capsule(name))).toBe('one')
    gate.open()
    expect((await asked).body).toMatchObject({ name, version: 2 })
    expect(await note(await capsule(name))).toBe('two')
    expect(await note(old)).toBe('one')
    const { status: code } = await snapshot({ sandbox_id: old, name: freshName() })
    expect(code).toBe(201)
  })

  test('keeps the old versions, and removes the files of those beyond what is kept', async () => {
    const name = freshName()
    await template(name, 'one')
    const before = await readdir(join(wrenn.dataDir, 'snapshots'))
    for (let version = 2; version <= 5; version++)
      await snapshot({ sandbox_id: await capsule(), name }, '?overwrite=true')
    await expect.poll(() => readdir(join(wrenn.dataDir, 'snapshots'))).toHaveLength(before.length + 2)
    const { body } = await api.call('listVersions', { params: { name } })
    expect(body.map(({ version }: { version: number }) => version)).toEqual([5, 4, 3])
  })

  test('removes the files of what its name does not keep', async () => {
    const name = freshName()
    await template(name, 'one')
    const before = await readdir(join(wrenn.dataDir, 'snapshots'))
    await snapshot({ sandbox_id: await capsule(), name, keep_versions: 1 }, '?overwrite=true')
    await expect.poll(() => readdir(join(wrenn.dataDir, 'snapshots'))).toHaveLength(before.length)
    expect(await readdir(join(wrenn.dataDir, 'snapshots'))).not.toEqual(before)
  })

  test('while a start from the old content is under way does not take its files away', async () => {
    const name = freshName()
    await template(name, 'one')
    const gate = wrenn.world.hold('restore')
    const starting = capsule(name)
    await expect.poll(() => gate.queue).toBe(1)
    const id = (await api.call('listCapsules')).body.find((c: { status: string }) => c.status === 'running')
      .id as string
    expect((await snapshot({ sandbox_id: id, name, keep_source: true }, '?overwrite=true')).status).toBe(201)
    gate.open()
    expect(await note(await starting)).toBe('one')
  })
})

describe('two at once', () => {
  test('for one name without overwrite: one wins, the other is a conflict', async () => {
    const name = freshName()
    const answers = await Promise.all(
      [await capsule(), await capsule()].map((id) => snapshot({ sandbox_id: id, name })),
    )
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409])
    expect(answers.find((answer) => answer.status === 409)!.body.error.code).toBe('conflict')
  })

  test('for one name with overwrite: both succeed, and the later is what the name means', async () => {
    const name = freshName()
    const ids = [await capsule(), await capsule()]
    const answers = await Promise.all(ids.map((id) => snapshot({ sandbox_id: id, name }, '?overwrite=true')))
    expect(answers.map((answer) => answer.status)).toEqual([201, 201])
    expect(answers.map((answer) => answer.body.version).sort()).toEqual([1, 2])
    expect((await api.call('getSnapshot', { params: { name } })).body.version).toBe(2)
  })

  test('for one capsule: the second is in the wrong state', async () => {
    const id = await capsule()
    const answers = await Promise.all([
      snapshot({ sandbox_id: id, name: freshName() }),
      snapshot({ sandbox_id: id, name: freshName() }),
    ])
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409])
    expect(answers.find((answer) => answer.status === 409)!.body.error.code).toBe('invalid_state')
  })
})

describe('templates', () => {
  test("are listed newest first, the team's and the platform's, by type", async () => {
    const name = freshName()
    await template(name, 'x')
    const all = (await api.call('listSnapshots')).body
    expect(all[0].name).toBe(name)
    const times = all.map((one: { created_at: string }) => Date.parse(one.created_at))
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a))
    const base = (await api.call('listSnapshots', { query: '?type=base' })).body
    expect(base.map((one: { name: string }) => one.name).sort()).toEqual(['base-python', 'minimal'])
    expect(base[0]).toMatchObject({ platform: true, protected: true, vcpus: null, memory_mb: null, type: 'base' })
    const snapshots = (await api.call('listSnapshots', { query: '?type=snapshot' })).body
    expect(snapshots.every((one: { type: string }) => one.type === 'snapshot')).toBe(true)
    expect((await api.call('listSnapshots', { query: '?type=other' })).body).toEqual([])
  })

  test('are deleted without touching what came from them, and the name is free at once', async () => {
    const name = freshName()
    await template(name, 'x')
    const id = await capsule(name)
    expect((await api.call('deleteSnapshot', { params: { name } })).status).toBe(204)
    expect((await api.call('deleteSnapshot', { params: { name } })).body.error.code).toBe('not_found')
    expect(await note(id)).toBe('x')
    expect((await api.call('createCapsule', { json: { template: name } })).body.error.code).toBe('not_found')
    expect((await snapshot({ sandbox_id: id, name })).status).toBe(201)
  })

  test('of the platform cannot be deleted', async () => {
    const { status: code, body } = await api.call('deleteSnapshot', { params: { name: 'minimal' } })
    expect([code, body.error.code]).toEqual([403, 'forbidden'])
  })

  test('that are damaged are refused rather than started', async () => {
    const name = freshName()
    const before = new Set(await readdir(join(wrenn.dataDir, 'snapshots')))
    await template(name, 'x')
    const [id] = (await readdir(join(wrenn.dataDir, 'snapshots'))).filter((one) => !before.has(one))
    await writeFile(join(wrenn.dataDir, 'snapshots', id!, 'manifest.json'), '{')
    const { status: code, body } = await api.call('createCapsule', { json: { template: name } })
    expect([code, body.error.code]).toEqual([500, 'template_corrupt'])
    expect((await api.call('deleteSnapshot', { params: { name } })).status).toBe(204)
  })
})
