/** Pause and resume where a host fails, waits or loses the capsule at a chosen step. */
import { newId, Problem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(() => on.end())

const full = new Problem('insufficient_storage', 'It is full.')
const pauses = () => [...on.host.snapshots.values()].filter(({ purpose }) => purpose === 'pause').length
async function paused(json: object = {}): Promise<string> {
  const id = await ask.capsule(json)
  ask.note(id, 'kept')
  expect((await ask.pause(id)).status).toBe(200)
  return id
}

describe('a pause', () => {
  test('keeps the capsule on disk alone, and a resume lets it go on with all that it had', async () => {
    const wanted = { timeout_sec: 77, vcpus: 2, memory_mb: 256, metadata: { a: 'b' } }
    const before = (await ask.api.call('createCapsule', { json: wanted })).body
    ask.note(before.id, 'kept')
    const { renewal: _told, ...rest } = before
    const { status, body } = await ask.pause(before.id)
    expect([status, body]).toEqual([200, { ...rest, status: 'paused', last_updated: expect.any(String) }])
    expect(on.host.capsules.size).toBe(0)
    expect(pauses()).toBe(1)
    expect((await ask.api.call('listCapsules')).body).toMatchObject([{ id: before.id, status: 'paused' }])
    const resumed = await ask.resume(before.id)
    const times = { last_updated: expect.any(String), last_active_at: expect.any(String) }
    expect([resumed.status, resumed.body]).toEqual([200, { ...before, ...times }])
    expect(ask.read(before.id)).toBe('kept')
    expect(on.host.capsule(before.id).spec).toMatchObject({ template: 'minimal', vcpus: 2, memoryMb: 256 })
    expect(pauses()).toBe(0)
  })

  test('can follow a pause, ten times', async () => {
    const id = await ask.capsule()
    for (let i = 0; i < 10; i++) {
      ask.note(id, String(i))
      expect((await ask.pause(id)).body.status).toBe('paused')
      expect((await ask.resume(id)).body.status).toBe('running')
      expect(ask.read(id)).toBe(String(i))
    }
    expect(on.host.snapshots.size).toBe(0)
  })

  test.each([
    ['capture', full, 507],
    ['captured', full, 507],
    ['capture', new Error('/a/path'), 500],
  ] as const)(
    'that fails at %s (%s) leaves the capsule running, with nothing of the pause',
    async (point, error, is) => {
      const id = await ask.capsule()
      on.host.faults.failNext(point, error)
      const { status, body } = await ask.pause(id)
      expect(status).toBe(is)
      expect(JSON.stringify(body)).not.toContain('/a/path')
      expect(await ask.status(id)).toBe('running')
      expect(on.host.capsule(id).isHeld).toBe(false)
      expect(on.host.snapshots.size).toBe(0)
      expect((await ask.inside(id)).status).toBe(200)
      expect((await ask.pause(id)).status).toBe(200)
    },
  )

  test('whose step into the store fails is taken back', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () => ask.pause(id))
    // Something ends the operation under it, as no request could.
    await on.store.capsules.end(id, 'pause')
    gate.open()
    expect(((await asked) as Answer).body.error.code).toBe('invalid_state')
    expect(await ask.status(id)).toBe('running')
    expect(on.host.capsule(id).isHeld).toBe(false)
    expect(on.host.snapshots.size).toBe(0)
  })

  test('whose capsule ends by itself meanwhile leaves it in error, which says why', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () => ask.pause(id))
    on.host.end(id, 'it was killed')
    await expect.poll(() => ask.status(id)).toBe('error')
    gate.open()
    expect(((await asked) as Answer).body.error.code).toBe('invalid_state')
    expect(await ask.get(id)).toMatchObject({ status: 'error', reason: 'it was killed' })
    expect(on.host.snapshots.size).toBe(0)
  })

  test('whose process cannot be ended stands, and the resume ends it first', async () => {
    const id = await ask.capsule()
    ask.note(id, 'kept')
    on.host.faults.failNext('destroy', new Error('stuck'))
    expect((await ask.pause(id)).body.status).toBe('paused')
    expect(on.log.join()).toContain('stuck')
    expect(on.host.capsules.has(id)).toBe(true)
    ask.note(id, 'of the process that should be gone')
    expect((await ask.resume(id)).status).toBe(200)
    expect(ask.read(id)).toBe('kept')
  })

  test('is completed although the client hangs up', async () => {
    const id = await ask.capsule()
    const left = new AbortController()
    const { gate, asked } = await ask.at('capture', () => ask.of('pauseCapsule', id, { signal: left.signal }))
    left.abort()
    await expect(asked).rejects.toThrow()
    gate.open()
    await expect.poll(() => ask.status(id)).toBe('paused')
  })

  test('shows, until it is complete, what the capsule still is', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () => ask.pause(id))
    expect(await ask.status(id)).toBe('running')
    gate.open()
    await asked
  })
})

describe('what comes while a pause is under way', () => {
  test('waits for its end, and is told that the capsule is paused', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () => ask.pause(id))
    let isAnswered = false
    const calls = [ask.inside(id), ask.of('readFile', id, { json: { path: '/note' } })]
    void Promise.race(calls).then(() => (isAnswered = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(isAnswered).toBe(false)
    gate.open()
    await asked
    for (const { status, body } of await Promise.all(calls)) {
      expect([status, body.error.code]).toEqual([409, 'invalid_state'])
      expect(body.error.message).toContain('paused')
    }
  })

  test('goes on when the pause fails', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('capture', () => ask.pause(id))
    const call = ask.inside(id)
    on.host.faults.failNext('capture', full)
    gate.open()
    expect(((await asked) as Answer).status).toBe(507)
    expect((await call).status).toBe(200)
  })

  test('as another operation is refused, and a delete waits and takes the pause with it', async () => {
    const id = await ask.capsule()
    const { gate, asked } = await ask.at('captured', () => ask.pause(id))
    for (const again of [ask.pause(id), ask.fork(id), ask.snapshot({ sandbox_id: id })])
      expect((await again).body.error.code).toBe('invalid_state')
    const deleted = ask.remove(id)
    gate.open()
    expect(((await asked) as Answer).status).toBe(200)
    expect((await deleted).status).toBe(204)
    expect(await ask.status(id)).toBe('stopped')
    expect(on.host.snapshots.size).toBe(0)
  })
})

describe('a paused capsule', () => {
  test('refuses what needs it to run, with a hint', async () => {
    const id = await paused()
    for (const call of [
      ask.inside(id),
      ask.of('pingCapsule', id),
      ask.pause(id),
      ask.fork(id),
      ask.snapshot({ sandbox_id: id }),
    ]) {
      const { status, body } = await call
      expect([status, body.error.code, body.error.hint]).toEqual([409, 'invalid_state', 'Resume it first.'])
    }
  })

  test('is deleted with its pause', async () => {
    const id = await paused()
    expect((await ask.remove(id)).status).toBe(204)
    expect(await ask.status(id)).toBe('stopped')
    expect(on.host.snapshots.size).toBe(0)
  })

  test('whose pause cannot be removed is deleted nevertheless, and the pause goes at the next start', async () => {
    const id = await paused()
    on.host.faults.failNext('deleteSnapshot', new Error('stuck'))
    expect((await ask.remove(id)).status).toBe(204)
    expect(on.log.join()).toContain('stuck')
    await on.restart()
    expect(on.host.snapshots.size).toBe(0)
  })

  test('whose delete fails is still paused, and may go on', async () => {
    const id = await paused()
    on.host.faults.failNext('destroy', new Problem('host_unavailable', 'No answer.'))
    expect((await ask.remove(id)).status).toBe(503)
    expect(await ask.status(id)).toBe('paused')
    expect((await ask.resume(id)).status).toBe(200)
    expect(ask.read(id)).toBe('kept')
  })

  test('outlives the template that it came from', async () => {
    await ask.made('a', 'x')
    const id = await ask.capsule({ template: 'a@1' })
    await ask.pause(id)
    await ask.removeTemplate('a')
    await expect.poll(() => on.host.snapshots.size).toBe(1)
    expect((await ask.resume(id)).body).toMatchObject({ status: 'running', template: 'a@1' })
    expect(ask.read(id)).toBe('x')
  })
})

describe('a resume', () => {
  test.each([
    ['start', new Problem('no_hosts_available', 'No room.'), 503],
    ['started', new Problem('agent_error', 'It does not answer.'), 502],
    ['start', new Problem('template_corrupt', 'It is damaged.'), 500],
    ['destroy', new Problem('host_unavailable', 'No answer.'), 503],
  ] as const)('that fails at %s (%s) leaves the capsule paused, and may be tried again', async (point, error, is) => {
    const id = await paused()
    on.host.faults.failNext(point, error)
    const { status, body } = await ask.resume(id)
    expect([status, body.error.code]).toEqual([is, error.code])
    expect(await ask.status(id)).toBe('paused')
    expect(pauses()).toBe(1)
    expect((await ask.resume(id)).status).toBe(200)
    expect(ask.read(id)).toBe('kept')
  })

  test('whose capsule ends at once leaves it paused, whenever that is noticed', async () => {
    const id = await paused()
    const start = on.host.start.bind(on.host)
    on.host.start = async (spec) => {
      const started = await start(spec)
      on.host.end(spec.capsuleId, 'it was killed')
      return started
    }
    const { status, body } = await ask.resume(id)
    expect([status, body.error.code]).toEqual([503, 'host_unavailable'])
    expect(body.error.message).toContain('it was killed')
    expect(await ask.status(id)).toBe('paused')
    on.host.start = start
    expect((await ask.resume(id)).status).toBe(200)
  })

  test('whose capsule ends right after is in error, not running for ever', async () => {
    const id = await paused()
    const { gate, asked } = await ask.at('deleteSnapshot', () => ask.resume(id))
    on.host.end(id, 'it was killed')
    await expect.poll(() => ask.status(id)).toBe('error')
    gate.open()
    await asked
    expect(await ask.get(id)).toMatchObject({ status: 'error', reason: 'it was killed' })
  })

  test('stands although the pause cannot be removed; that goes at the next start', async () => {
    const id = await paused()
    on.host.faults.failNext('deleteSnapshot', new Error('stuck'))
    expect((await ask.resume(id)).body.status).toBe('running')
    expect(pauses()).toBe(1)
    await on.restart()
    expect(pauses()).toBe(0)
    expect(await ask.status(id)).toBe('running')
  })

  test('is refused for what is not paused', async () => {
    const id = await ask.capsule()
    expect((await ask.resume(id)).body.error.code).toBe('invalid_state')
    await ask.remove(id)
    expect((await ask.resume(id)).body.error.code).toBe('invalid_state')
    expect((await ask.resume(newId('capsule'))).body.error.code).toBe('not_found')
    expect((await ask.pause(newId('capsule'))).body.error.code).toBe('not_found')
  })

  test('happens once, however many ask', async () => {
    const id = await paused()
    const answers = await Promise.all([ask.resume(id), ask.resume(id), ask.resume(id)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409])
    expect(await ask.status(id)).toBe('running')
  })
})
