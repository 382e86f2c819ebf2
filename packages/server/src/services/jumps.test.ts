/** The machine's clock is set, while a server runs and between two: by a day, forwards and back. */
import type { MetricsBody, UsageBody } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { now } from '../store/time.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'
import { TestClock } from '../testing/test-clock.js'
import { Cautious } from './cautious.js'

const DAY = 86_400
const jumps = [
  ['forwards', DAY],
  ['back', -DAY],
] as const

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(() => on.end())

describe.each(jumps)('a day %s', (_, jump) => {
  test('while the server runs, capsules are idle after their time, no sooner and no later', async () => {
    const [used, left] = [await ask.capsule({ timeout_sec: 600 }), await ask.capsule({ timeout_sec: 600 })]
    on.clock.advance(300)
    on.clock.jump(jump)
    await ask.of('pingCapsule', used)
    // What is refused begins nothing anew, but looks at the time.
    on.clock.advance(299)
    expect([await ask.status(used), await ask.status(left)]).toEqual(['running', 'running'])
    on.clock.advance(2)
    await expect.poll(() => ask.status(left)).toBe('paused')
    expect(await ask.status(used)).toBe('running')
    on.clock.advance(300)
    await expect.poll(() => ask.status(used)).toBe('paused')
  })

  test('between two runs, none is paused at once, and none is forgotten', async () => {
    const id = await ask.capsule({ timeout_sec: 600 })
    on.clock.jump(jump)
    await on.restart()
    on.clock.advance(59)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await ask.status(id)).toBe('running')
    on.clock.advance(542)
    await expect.poll(() => ask.status(id)).toBe('paused')
  })

  test('an answer is given again, for as long as it is kept', async () => {
    const create = () => ask.api.call('createCapsule', { json: {}, headers: { 'idempotency-key': 'k' } })
    const first = await create()
    on.clock.jump(jump)
    expect((await create()).bytes.equals(first.bytes)).toBe(true)
    const later = () => on.clock.advance(6 * 3600)
    await expect.poll(() => on.store.answers.oldest().finally(later), { interval: 5 }).toBeUndefined()
  })

  test('what is measured is of the time that has passed', async () => {
    const id = await ask.capsule({ vcpus: 2 })
    let cpuMs = 0
    on.host.using = () => [{ capsuleId: id, cpuMs: (cpuMs += 5000), memoryBytes: 1, diskBytes: 1 }]
    const five = async () => {
      const { asked } = on.host
      on.clock.advance(5)
      await expect.poll(() => on.host.asked, { interval: 5 }).toBe(asked + 1)
    }
    for (let i = 0; i < 3; i++) await five()
    on.clock.jump(jump)
    for (let i = 0; i < 20; i++) await five()
    const { points } = (await ask.of('capsuleMetrics', id)).body as MetricsBody
    expect(points.length).toBeGreaterThan(10)
    for (const { cpu_pct } of points) expect(Math.round(cpu_pct / 10)).toBe(5)
    const days = ((await ask.api.call('capsuleUsage')).body as UsageBody).points
    const minutes = days.reduce((sum, { cpu_minutes }) => sum + cpu_minutes, 0)
    expect(minutes).toBeGreaterThan(3.7)
    expect(minutes).toBeLessThan(6)
  })
})

test('a day forwards, nothing expires for an hour; set right meanwhile, it expires when it would have', async () => {
  await ask.made('a', 'one', { expires_in: 7200 })
  on.clock.jump(DAY)
  const there = async () => (await ask.template('a')).status === 200
  await ask.made('b', 'something is looked at')
  expect(await there()).toBe(true)
  on.clock.advance(1800)
  on.clock.jump(-DAY)
  await ask.made('c', 'again')
  on.clock.advance(5300)
  expect(await there()).toBe(true)
  on.clock.advance(200)
  await expect.poll(there).toBe(false)
})

test('a clock is believed when it is set back, when it is set right by and by, and ahead after an hour', () => {
  const clock = new TestClock()
  const time = new Cautious(clock)
  const off = () => Math.abs(Math.round((clock.now() - time.now()) / 1000))
  clock.jump(50)
  expect(off()).toBe(0)
  clock.jump(DAY)
  expect(off()).toBe(DAY)
  clock.advance(3500)
  expect(off()).toBe(DAY)
  clock.advance(101)
  expect(off()).toBe(0)
  clock.jump(-2 * DAY)
  expect(off()).toBe(0)
})

test('lists are in the order in which things were made, whatever their times', async () => {
  const first = await ask.capsule()
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const before = now()
    vi.setSystemTime(Date.now() - DAY * 1000)
    const second = await ask.capsule()
    expect(now() < before).toBe(true)
    const ids = ((await ask.api.call('listCapsules')).body as { id: string }[]).map(({ id }) => id)
    expect(ids).toEqual([second, first])
    await ask.made('a', 'one')
    vi.setSystemTime(Date.now() + 3 * DAY * 1000)
    await ask.made('a', 'two')
    vi.setSystemTime(Date.now() - DAY * 1000)
    await ask.made('a', 'three')
    expect(await ask.numbers('a')).toEqual(['3!', 2, 1])
  } finally {
    vi.useRealTimers()
  }
})
