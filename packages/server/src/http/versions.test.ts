/** Versions of a name: what is kept, for how long, and how to go back. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(() => on.end())

const create = (template: string) => ask.api.call('createCapsule', { json: { template } })
const stored = () => on.host.snapshots.size
/** What a capsule started from this finds in its note. */
const holds = async (template: string) => ask.read(await ask.capsule({ template }))
/** Versions 1 to `count` of a name, holding "1" and so on. */
async function history(name: string, count: number, more: object = {}): Promise<void> {
  for (let i = 1; i <= count; i++) await ask.made(name, String(i), more)
}

describe('an overwrite', () => {
  test('keeps the last three versions, and each can be started', async () => {
    await history('a', 5)
    expect(await ask.numbers('a')).toEqual(['5!', 4, 3])
    for (const ref of ['a', 'a@5', 'a@4', 'a@3']) expect(await holds(ref)).toBe(ref.split('@')[1] ?? '5')
    await expect.poll(stored).toBe(3)
  })

  test.each(['a@2', 'a@6', 'b@1', 'minimal@2'])('%s is not found where it is not kept', async (template) => {
    await history('a', 5)
    const { status, body } = await create(template)
    expect([status, body.error.code]).toEqual([404, 'not_found'])
  })

  test('a platform template has its one version', async () => {
    expect(await ask.numbers('minimal')).toEqual(['1!'])
    const { status, body } = await create('minimal@1')
    expect([status, body.template]).toEqual([201, 'minimal@1'])
    expect(on.host.capsule(body.id).spec.template).toBe('minimal')
  })

  test.each(['a@', 'a@0', 'a@x', 'a@1@2', '@1', 'a@-1', 'a@1.5'])('"%s" is no template at all', async (template) => {
    expect((await create(template)).body.error.code).toBe('invalid_request')
  })

  test('changes the rule of its name where it says so, and only when it succeeds', async () => {
    await history('a', 4, { keep_versions: 2, expires_in: 1000 })
    expect(await ask.numbers('a')).toEqual(['4!', 3])
    const id = await ask.capsule()
    on.host.faults.failNext('capture', new Error('broken'))
    expect((await ask.snapshot({ sandbox_id: id, name: 'a', keep_versions: 1 }, '?overwrite=true')).status).toBe(500)
    expect((await ask.template('a')).body).toMatchObject({ keep_versions: 2, expires_in: 1000, version: 4 })
    await ask.made('a', '5')
    expect((await ask.template('a')).body).toMatchObject({ keep_versions: 2, expires_in: 1000, version: 5 })
    await ask.made('a', '6', { keep_versions: 1 })
    expect(await ask.numbers('a')).toEqual(['6!'])
    await expect.poll(stored).toBe(1)
  })

  test.each([
    { keep_versions: 0 },
    { keep_versions: 1001 },
    { keep_versions: '3' },
    { expires_in: 0 },
    { expires_in: 1.5 },
  ])('%j is refused', async (rule) => {
    const { status, body } = await ask.snapshot({ sandbox_id: await ask.capsule(), name: 'a', ...rule })
    expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    expect(body.error.message).toContain(Object.keys(rule)[0])
  })

  test('takes no file away from a start that is under way from a version that goes', async () => {
    await history('a', 3)
    const { gate, asked } = await ask.at('start', () => create('a@1'))
    on.host.faults.hold('start').open()
    await ask.made('a', '4')
    expect(await ask.numbers('a')).toEqual(['4!', 3, 2])
    expect(stored()).toBe(4)
    gate.open()
    const { status, body } = (await asked) as Awaited<ReturnType<typeof create>>
    expect([status, ask.read(body.id)]).toEqual([201, '1'])
    await expect.poll(stored).toBe(3)
  })
})

describe('a rollback', () => {
  test('makes the name mean the version before, in one step; what runs is not touched', async () => {
    await history('a', 3)
    const id = await ask.capsule({ template: 'a' })
    expect((await ask.rollback('a')).body).toMatchObject({ name: 'a', version: 2 })
    expect(await holds('a')).toBe('2')
    expect(ask.read(id)).toBe('3')
    expect((await ask.rollback('a')).body.version).toBe(1)
    const { status, body } = await ask.rollback('a')
    expect([status, body.error.code]).toEqual([404, 'not_found'])
    expect(await ask.numbers('a')).toEqual([3, 2, '1!'])
  })

  test('goes forward too, where the version is named', async () => {
    await history('a', 3)
    for (const version of [1, 3, 3, 2]) {
      expect((await ask.rollback('a', { version })).body.version).toBe(version)
      expect((await ask.template('a')).body.version).toBe(version)
    }
    expect((await ask.rollback('a', { version: 4 })).status).toBe(404)
    expect((await ask.rollback('a', { version: null })).body.version).toBe(1)
  })

  test('does not make the next snapshot take a number twice, and what was gone back to is kept as well', async () => {
    await history('a', 3)
    await ask.rollback('a', { version: 1 })
    await ask.made('a', '4')
    expect(await ask.numbers('a')).toEqual(['4!', 3, 2])
    await ask.rollback('a', { version: 2 })
    expect((await ask.removeVersion('a', 4)).status).toBe(204)
    expect((await ask.made('a', '5')).version).toBe(5)
  })

  test('is not for the platform’s templates, nor for what is not there', async () => {
    expect((await ask.rollback('minimal', { version: 1 })).body.error.code).toBe('forbidden')
    expect((await ask.rollback('nothing')).body.error.code).toBe('not_found')
    for (const version of [0, -1, 'x', 1.5]) expect((await ask.rollback('minimal', { version })).status).toBe(400)
  })

  test('and starts at once: whoever starts finds the one or the other, never nothing', async () => {
    await history('a', 2)
    const moves = async () => {
      for (let i = 0; i < 20; i++) await ask.rollback('a', { version: 1 + (i % 2) })
    }
    const starts = Array.from({ length: 20 }, () => create('a'))
    const [answers] = await Promise.all([Promise.all(starts), moves()])
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
  })
})

describe('a version', () => {
  test('that is old can be deleted; the one that the name means cannot', async () => {
    await history('a', 3)
    expect((await ask.removeVersion('a', 2)).status).toBe(204)
    expect((await ask.removeVersion('a', 2)).body.error.code).toBe('not_found')
    expect((await ask.removeVersion('a', 3)).body.error.code).toBe('conflict')
    expect(await ask.numbers('a')).toEqual(['3!', 1])
    expect((await ask.rollback('a')).body.version).toBe(1)
    await expect.poll(stored).toBe(2)
  })

  test('of the platform, or of what is not there, cannot', async () => {
    expect((await ask.removeVersion('minimal', 1)).body.error.code).toBe('forbidden')
    expect((await ask.removeVersion('nothing', 1)).body.error.code).toBe('not_found')
    for (const version of ['0', 'x', '-1', '1.5']) {
      expect((await ask.removeVersion('minimal', version)).body.error.code).toBe('invalid_request')
    }
  })
})

describe('a deleted name', () => {
  test('is gone with all its versions, and begins again at one, while old files linger', async () => {
    await history('a', 3)
    const { gate, asked } = await ask.at('start', () => create('a@2'))
    on.host.faults.hold('start').open()
    expect((await ask.removeTemplate('a')).status).toBe(204)
    for (const ref of ['a', 'a@1', 'a@3']) expect((await create(ref)).status).toBe(404)
    expect((await ask.versions('a')).status).toBe(404)
    expect((await ask.made('a', 'new')).version).toBe(1)
    expect(await ask.numbers('a')).toEqual(['1!'])
    gate.open()
    expect(ask.read(((await asked) as Awaited<ReturnType<typeof create>>).body.id)).toBe('2')
    await expect.poll(stored).toBe(1)
    expect(await holds('a')).toBe('new')
  })

  test('takes nothing from what is just being captured for it: that is its first version', async () => {
    await history('a', 2, { keep_versions: 7 })
    const id = await ask.capsule()
    const capture = () => ask.snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true')
    const { gate, asked } = await ask.at('captured', capture)
    expect((await ask.removeTemplate('a')).status).toBe(204)
    expect((await ask.template('a')).status).toBe(404)
    expect((await ask.snapshot({ sandbox_id: await ask.capsule(), name: 'a' })).body.error.code).toBe('conflict')
    gate.open()
    expect(((await asked) as Awaited<ReturnType<typeof capture>>).body).toMatchObject({ version: 1, keep_versions: 3 })
    expect(await ask.numbers('a')).toEqual(['1!'])
    await expect.poll(stored).toBe(1)
  })

  test('stays deleted when what was captured for it fails', async () => {
    await history('a', 1)
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () =>
      ask.snapshot({ sandbox_id: id, name: 'a' }, '?overwrite=true'),
    )
    await ask.removeTemplate('a')
    on.host.faults.failNext('captured', new Error('broken'))
    gate.open()
    await asked
    expect((await ask.template('a')).status).toBe(404)
    expect((await ask.made('a', 'x')).version).toBe(1)
  })
})

describe('time without use', () => {
  test('ends a version, the present one too, and then its name', async () => {
    await history('a', 1, { expires_in: 100 })
    on.clock.advance(99)
    expect((await ask.template('a')).status).toBe(200)
    on.clock.advance(1.5)
    await expect.poll(async () => (await ask.template('a')).status).toBe(404)
    await expect.poll(stored).toBe(0)
    expect((await ask.made('a', 'x')).version).toBe(1)
    expect((await ask.template('a')).body).not.toHaveProperty('expires_in')
  })

  test('begins anew with each start; versions age one by one, and what the name means is the last', async () => {
    await history('a', 3, { expires_in: 100 })
    on.clock.advance(60)
    await ask.capsule({ template: 'a@1' })
    on.clock.advance(60)
    await expect.poll(() => ask.numbers('a')).toEqual(['3!', 1])
    expect(await holds('a@1')).toBe('1')
    on.clock.advance(99)
    await expect.poll(() => ask.numbers('a')).toEqual(['3!', 1])
    on.clock.advance(1.5)
    await expect.poll(async () => (await ask.template('a')).status).toBe(404)
  })

  test('is waited for with one timer, and none where nothing expires', async () => {
    const before = on.clock.waiting()
    await history('a', 2)
    expect(on.clock.waiting()).toHaveLength(before.length)
    await history('b', 2, { expires_in: 100 })
    await history('c', 2, { expires_in: 50 })
    await expect.poll(() => on.clock.waiting()).toHaveLength(before.length + 1)
    expect(on.clock.waiting()).toContain(50)
  })

  test('goes on while the server is away', async () => {
    await history('a', 1, { expires_in: 100 })
    await history('b', 1, { expires_in: 1000 })
    on.clock.advance(0)
    await on.restart()
    on.clock.advance(101)
    await expect.poll(async () => (await ask.template('a')).status).toBe(404)
    expect((await ask.template('b')).status).toBe(200)
    on.clock.advance(10_000)
    await on.restart()
    await expect.poll(async () => (await ask.template('b')).status).toBe(404)
    await expect.poll(stored).toBe(0)
  })

  test('takes no file away from a start that is under way', async () => {
    await history('a', 1, { expires_in: 100 })
    const { gate, asked } = await ask.at('start', () => create('a'))
    on.clock.advance(200)
    await expect.poll(async () => (await ask.template('a')).status).toBe(404)
    expect(stored()).toBe(1)
    gate.open()
    expect(ask.read(((await asked) as Awaited<ReturnType<typeof create>>).body.id)).toBe('1')
    await expect.poll(stored).toBe(0)
  })
})

describe('what is told', () => {
  test('is where a version came from, when it was used, and by which rule it is kept', async () => {
    await history('a', 2)
    const id = await ask.capsule({ template: 'a@1' })
    const { body } = await ask.snapshot({ sandbox_id: id, name: 'b', expires_in: 500 })
    expect(body).toMatchObject({ parent: 'a', parent_version: 1, source: id, keep_versions: 3, expires_in: 500 })
    expect(body).not.toHaveProperty('last_used_at')
    await ask.capsule({ template: 'b' })
    expect(Date.parse((await ask.template('b')).body.last_used_at)).toBeGreaterThan(Date.parse(body.created_at))
    await ask.removeTemplate('a')
    expect((await ask.template('b')).body).toMatchObject({ parent: 'a', parent_version: 1 })
  })

  test('is the version of a parent only while it is known', async () => {
    await history('a', 1)
    const id = await ask.capsule({ template: 'a' })
    await ask.removeTemplate('a')
    await expect.poll(stored).toBe(0)
    const { body } = await ask.snapshot({ sandbox_id: id, name: 'b' })
    expect(body).toMatchObject({ parent: 'a', source: id })
    expect(body).not.toHaveProperty('parent_version')
  })

  test('is what one occupies, alone and with others, when one is asked for', async () => {
    await history('a', 2)
    expect((await ask.template('a')).body).toMatchObject({ shared_bytes: 1000, unique_bytes: 24 })
    const [listed] = (await ask.versions('a')).body
    expect(listed).toMatchObject({ version: 2, current: true, shared_bytes: 1000, unique_bytes: 24 })
    const image = (await ask.template('minimal')).body
    for (const field of ['shared_bytes', 'unique_bytes', 'keep_versions', 'expires_in', 'parent', 'source'])
      expect(image).not.toHaveProperty(field)
    for (const one of (await ask.api.call('listSnapshots')).body) expect(one).not.toHaveProperty('shared_bytes')
  })

  test('is nothing of that where the host cannot tell', async () => {
    await history('a', 1)
    on.host.faults.failNext('usage', new Error('broken'))
    const { status, body } = await ask.template('a')
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('unique_bytes')
    expect(body).not.toHaveProperty('damage')
  })
})
