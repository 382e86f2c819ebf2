/** Idle capsules are paused; those in use never are. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { Gate } from '../testing/faults.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
let id: string
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  id = await ask.capsule({ timeout_sec: 60 })
})
afterEach(() => on.end())

/** Long enough for a pause that has begun to end. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 40))
const isPaused = async () => {
  await settle()
  return (await ask.status(id)) === 'paused'
}

test('a capsule is paused when it was idle for its time, and goes on when it is resumed', async () => {
  on.clock.advance(59)
  expect(await isPaused()).toBe(false)
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(id)).toBe('paused')
  expect(on.host.capsules.size).toBe(0)
  expect((await ask.resume(id)).body.timeout_sec).toBe(60)
  on.clock.advance(59)
  expect(await isPaused()).toBe(false)
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('one without a time limit is never', async () => {
  const forever = await ask.capsule()
  on.clock.advance(100_000_000)
  await settle()
  expect(await ask.status(forever)).toBe('running')
})

test('pings and calls inside begin the time anew; looking at it does not', async () => {
  for (const use of [
    () => ask.of('pingCapsule', id),
    () => ask.inside(id),
    () => ask.of('makeDir', id, { json: { path: '/x' } }),
  ]) {
    on.clock.advance(59)
    await use()
  }
  on.clock.advance(59)
  expect(await isPaused()).toBe(false)
  await ask.get(id)
  await ask.api.call('listCapsules')
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test.each(['', 'application/x-ndjson'])(
  'an open command keeps it running, however long (accept: "%s")',
  async (accept) => {
    const gate = new Gate()
    on.host.programs['long'] = async function* () {
      yield { type: 'stdout', data: Buffer.from('x') }
      await gate.wait()
      yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
    }
    const asked = ask.of('exec', id, { json: { cmd: 'long' }, ...(accept ? { headers: { accept } } : {}) })
    await expect.poll(() => gate.arrived).toBe(1)
    on.clock.advance(100_000)
    expect(await isPaused()).toBe(false)
    gate.open()
    expect((await asked).status).toBe(200)
    on.clock.advance(59)
    expect(await isPaused()).toBe(false)
    on.clock.advance(1.5)
    await expect.poll(() => ask.status(id)).toBe('paused')
  },
)

test('a file that is being read keeps it running, and a client that leaves does not', async () => {
  on.host.readers['/slow'] = () => ({
    chunks: (async function* () {
      for (;;) {
        yield Buffer.alloc(1024)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })(),
  })
  const left = new AbortController()
  const response = await fetch(`${on.url}/v1/capsules/${id}/files/read`, {
    method: 'POST',
    headers: { 'x-api-key': on.key },
    body: '{"path":"/slow"}',
    signal: left.signal,
  })
  await response.body!.getReader().read()
  on.clock.advance(1000)
  expect(await isPaused()).toBe(false)
  left.abort()
  await settle()
  on.clock.advance(61)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('a call that is refused, or another team’s, is no activity', async () => {
  on.clock.advance(59)
  await ask.of('exec', id, { raw: '{' })
  on.clock.advance(59)
  // A body that is no JSON comes after the capsule's state: it was a call into the capsule.
  expect(await isPaused()).toBe(false)
  await ask.api.call('listProcesses', { params: { id }, headers: { 'x-api-key': 'wrn_x' } })
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('a pause that fails is logged, and tried again after another idle time', async () => {
  on.host.faults.failNext('capture', new Error('no room'))
  on.clock.advance(61)
  await expect.poll(() => on.log.join()).toContain('no room')
  expect(await isPaused()).toBe(false)
  expect(on.host.capsule(id).isHeld).toBe(false)
  on.clock.advance(59)
  expect(await isPaused()).toBe(false)
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('a call that comes while an idle pause is under way waits and finds it paused', async () => {
  const { gate } = await ask.at('captured', async () => on.clock.advance(61))
  const call = ask.inside(id)
  await settle()
  gate.open()
  expect((await call).body.error).toMatchObject({ code: 'invalid_state', hint: 'Resume it first.' })
})

test('a call that is there when an idle pause begins is not cut: the pause gives up', async () => {
  // The pause is held between its begin in the store and its look at who is there.
  const begin = on.store.capsules.begin.bind(on.store.capsules)
  const gate = new Gate()
  on.store.capsules.begin = async (...args) => {
    const isBegun = await begin(...args)
    if (args[1] === 'pause') await gate.wait()
    return isBegun
  }
  on.clock.advance(61)
  await expect.poll(() => gate.arrived).toBe(1)
  const call = ask.inside(id)
  await settle()
  gate.open()
  expect((await call).status).toBe(200)
  expect(await isPaused()).toBe(false)
  on.clock.advance(61)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('what is being done to a capsule is not interrupted', async () => {
  const { gate, asked } = await ask.at('captured', () => ask.snapshot({ sandbox_id: id, name: 'a', keep_source: true }))
  on.clock.advance(61)
  expect(await isPaused()).toBe(false)
  gate.open()
  expect(((await asked) as Answer).status).toBe(201)
  on.clock.advance(61)
  await expect.poll(() => ask.status(id)).toBe('paused')
})

test('the time goes on over a restart of the server, from the last activity', async () => {
  id = await ask.capsule({ timeout_sec: 160 })
  on.clock.advance(40)
  await ask.inside(id)
  on.clock.advance(90)
  await on.restart()
  on.clock.advance(65)
  expect(await isPaused()).toBe(false)
  on.clock.advance(10)
  await expect.poll(() => ask.status(id)).toBe('paused')
  await on.restart()
  expect(await ask.status(id)).toBe('paused')
})

test('forks have the time of their source, counted from their own start', async () => {
  on.clock.advance(30)
  await ask.inside(id)
  const [{ id: fork }] = (await ask.fork(id)).body
  await ask.remove(id)
  on.clock.advance(59)
  await settle()
  expect(await ask.status(fork)).toBe('running')
  on.clock.advance(1.5)
  await expect.poll(() => ask.status(fork)).toBe('paused')
})
