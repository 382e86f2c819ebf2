/** Damaged templates are found, shown, and never started. */
import { Problem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  await ask.made('a', 'one')
})
afterEach(() => on.end())

const create = (template: string) => ask.api.call('createCapsule', { json: { template } })
/** The host's id of the snapshot that was made last. */
const last = () => [...on.host.snapshots.keys()].at(-1)!
const damage = (id: string, what?: string) => {
  const stored = on.host.snapshots.get(id)!
  if (what === undefined) delete stored.damage
  else stored.damage = what
}

describe('a verification', () => {
  test('that finds nothing says so, part by part', async () => {
    expect((await ask.verify('a')).body).toEqual({
      name: 'a',
      version: 1,
      ok: true,
      parts: [
        { name: 'memory', bytes: 10, ok: true },
        { name: 'disk', bytes: 20, ok: true },
      ],
    })
    expect((await ask.template('a')).body).not.toHaveProperty('damage')
    expect((await ask.of('verifySnapshot', '', { params: { name: 'minimal' } })).body).toMatchObject({ ok: true })
  })

  test('that finds damage marks the version, which is shown and refused, until one finds it whole', async () => {
    damage(last(), 'its digest differs')
    const { status, body } = await ask.verify('a')
    expect([status, body.ok]).toEqual([200, false])
    expect(body.parts[1]).toEqual({ name: 'disk', bytes: 20, ok: false, problem: 'its digest differs' })
    expect((await ask.template('a')).body.damage).toBe('disk: its digest differs')
    expect((await ask.versions('a')).body[0].damage).toBe('disk: its digest differs')
    const starts = on.host.capsules.size
    const refused = await create('a')
    expect([refused.status, refused.body.error.code]).toEqual([500, 'template_corrupt'])
    expect(refused.body.error.message).toContain('its digest differs')
    expect(on.host.capsules.size).toBe(starts)
    await on.restart()
    expect((await create('a@1')).body.error.code).toBe('template_corrupt')
    damage(last())
    expect((await ask.verify('a')).body.ok).toBe(true)
    expect((await ask.template('a')).body).not.toHaveProperty('damage')
    expect((await create('a')).status).toBe(201)
  })

  test('is of one version: the others are started as before, and a rollback leads to them alone', async () => {
    const old = last()
    await ask.made('a', 'two')
    damage(last(), 'it is cut off')
    expect((await ask.verify('a')).body).toMatchObject({ version: 2, ok: false })
    expect((await ask.verify('a', { version: 1 })).body).toMatchObject({ version: 1, ok: true })
    expect((await create('a')).status).toBe(500)
    expect((await create('a@1')).status).toBe(201)
    expect((await ask.rollback('a')).body.version).toBe(1)
    const { status, body } = await ask.rollback('a', { version: 2 })
    expect([status, body.error.code]).toEqual([500, 'template_corrupt'])
    expect((await ask.template('a')).body.version).toBe(1)
    damage(old, 'it is gone too')
    expect((await ask.verify('a', { version: 1 })).body.ok).toBe(false)
  })

  test('of files that are gone is a finding', async () => {
    on.host.snapshots.clear()
    const { status, body } = await ask.verify('a')
    expect([status, body.ok]).toEqual([200, false])
    expect((await ask.template('a')).body.damage).toContain('gone')
  })

  test('that cannot be made is an error, and marks nothing', async () => {
    on.host.faults.failNext('verify', new Problem('host_unavailable', 'No answer.'))
    expect((await ask.verify('a')).body.error.code).toBe('host_unavailable')
    expect((await ask.template('a')).body).not.toHaveProperty('damage')
    expect((await ask.verify('nothing')).status).toBe(404)
    expect((await ask.verify('a', { version: 2 })).status).toBe(404)
  })

  test('of a version that is deleted meanwhile is not found', async () => {
    const { gate, asked } = await ask.at('verify', () => ask.verify('a'))
    await ask.removeTemplate('a')
    gate.open()
    expect(((await asked) as Answer).status).toBe(404)
  })
})

describe('damage is noted as well', () => {
  test('when a start runs into it: nothing else is started in its place', async () => {
    damage(last(), 'its digest differs')
    const { status, body } = await create('a')
    expect([status, body.error.code]).toEqual([500, 'template_corrupt'])
    expect((await ask.template('a')).body.damage).toContain('its digest differs')
    damage(last())
    expect((await create('a')).body.error.code).toBe('template_corrupt')
  })

  test('when the host finds out by itself', async () => {
    on.host.findDamage(last(), 'memory: it is cut off')
    await expect.poll(async () => (await ask.template('a')).body.damage).toBe('memory: it is cut off')
    expect((await create('a')).status).toBe(500)
    expect(on.log.join()).toContain('it is cut off')
  })

  test('of a pause, which stays paused', async () => {
    const id = await ask.capsule()
    await ask.pause(id)
    damage(last(), 'its digest differs')
    on.host.findDamage(last(), 'its digest differs')
    const { status, body } = await ask.resume(id)
    expect([status, body.error.code]).toEqual([500, 'template_corrupt'])
    expect(await ask.status(id)).toBe('paused')
    expect((await ask.remove(id)).status).toBe(204)
  })

  test('and what was started before runs on; its own snapshots are whole', async () => {
    const id = await ask.capsule({ template: 'a' })
    on.host.findDamage(last(), 'memory: it is cut off')
    await expect.poll(async () => (await create('a')).status).toBe(500)
    expect(ask.read(id)).toBe('one')
    expect((await ask.made('a', 'two')).version).toBe(2)
    expect((await create('a')).status).toBe(201)
  })
})

describe('in the background', () => {
  const WEEK = 7 * 24 * 3600
  const verified = () => on.host.verified.length
  /** Moves on to the next reading, and waits for it. */
  async function next(seconds: number): Promise<void> {
    const before = verified()
    on.clock.advance(seconds)
    await expect.poll(verified).toBe(before + 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }

  test('every version is read once in a while, the longest unread first, never two at once', async () => {
    const first = last()
    await ask.made('b', 'x')
    // The platform's images are older than a week already.
    await next(301)
    await next(301)
    expect(on.host.verified).toEqual(['img-minimal', 'img-base-python'])
    on.clock.advance(301)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(verified()).toBe(2)
    await next(WEEK)
    expect(on.host.verified.at(-1)).toBe(first)
    const gate = on.host.faults.hold('verify')
    on.clock.advance(301)
    await expect.poll(() => gate.arrived).toBe(1)
    on.clock.advance(100_000)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(gate.arrived).toBe(1)
    gate.open()
    await expect.poll(() => on.host.verified.at(-1)).toBe(last())
  })

  test('damage that is found is marked and logged, and what cannot be read keeps no other from being read', async () => {
    await next(301)
    await next(301)
    damage(last(), 'a bit has flipped')
    on.host.faults.failNext('verify', new Error('broken'))
    on.clock.advance(WEEK + 10)
    await expect.poll(() => on.log.join()).toContain('could not be verified')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await next(301)
    await next(301)
    expect(on.host.verified.slice(-2)).toEqual(['img-minimal', 'img-base-python'])
    await next(WEEK)
    await expect.poll(async () => (await ask.template('a')).body.damage).toBe('disk: a bit has flipped')
    expect(on.log.join()).toContain('a bit has flipped')
  })

  test('it ends with the server', async () => {
    await on.server.close()
    on.clock.advance(WEEK)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(verified()).toBe(0)
  })
})
