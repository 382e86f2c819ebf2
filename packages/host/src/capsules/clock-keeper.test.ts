/** Clocks that go wrong are found and put right, by timers that the test moves. */
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testGuest, type TestGuest } from '../testing/guest.js'
import { answer } from '../vmm/fake/routes/index.js'
import { ClockKeeper } from './clock-keeper.js'
import type { LiveCapsule } from './live.js'

interface Timer {
  at: number
  work: () => void
}

let guests: TestGuest[]
let asked: string[]
let capsules: LiveCapsule[]
let timers: Timer[]
let time: number
let keeper: ClockKeeper
beforeEach(() => {
  ;[guests, asked, capsules, timers, time] = [[], [], [], [], 0]
  const live = { find: (id: string) => capsules.find((one) => one.id === id) }
  const after = (ms: number, work: () => void) => {
    const timer = { at: time + ms, work }
    timers.push(timer)
    return () => void (timers = timers.filter((other) => other !== timer))
  }
  keeper = new ClockKeeper({ live, log: pino({ level: 'silent' }), after })
})
afterEach(() => {
  keeper.close()
  for (const guest of guests) guest.end()
})

/** A capsule whose clock is ahead by so much. */
function capsule(clockOffsetMs: number): TestGuest {
  const id = `cl-${guests.length}`
  const guest = testGuest((stream, headers) => {
    asked.push(`${id} ${String(headers[':method'])}`)
    void answer(guest.inside, stream, headers)
  })
  guest.inside.clockOffsetMs = clockOffsetMs
  guests.push(guest)
  capsules.push({ id, channel: guest.channel, isHeld: false } as unknown as LiveCapsule)
  return guest
}

/** Lets time pass. */
function pass(ms: number): void {
  const until = time + ms
  for (;;) {
    const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
    if (!next) break
    time = next.at
    timers = timers.filter((timer) => timer !== next)
    next.work()
  }
  time = until
}

/** Looks that are under way end. */
const settled = (count: number) => expect.poll(() => [asked.length, timers.length]).toEqual([count, capsules.length])

test('each is looked at soon, at another moment, and then ever more seldom', async () => {
  ;[0, 0].forEach(capsule)
  keeper.keep(capsules)
  pass(500)
  await settled(1)
  pass(500)
  await settled(2)
  expect(asked).toEqual(['cl-0 GET', 'cl-1 GET'])
  const at: number[] = []
  for (let count = 3; count <= 14; count++) {
    pass(Math.min(...timers.map((timer) => timer.at)) - time)
    await settled(count)
    if (asked.at(-1) === 'cl-0 GET') at.push(time)
  }
  expect(at).toEqual([2500, 6500, 14_500, 30_500, 60_500, 90_500])
})

test('a clock that is far behind or ahead is set at once and looked at again soon', async () => {
  for (const [i, off] of [-150, 700].entries()) {
    const { inside } = capsule(off)
    keeper.keep([capsules[i]!])
    pass(1000)
    await expect.poll(() => Math.abs(inside.clockOffsetMs)).toBeLessThan(60)
    expect(inside.corrected).toBe('step')
  }
  // The first was right when it was looked at again, a second later.
  await expect.poll(() => timers.map(({ at }) => at).sort()).toEqual([3000, 4000])
})

test('a clock that is a little off is slewed', async () => {
  for (const [i, off] of [-70, 300].entries()) {
    const { inside } = capsule(off)
    keeper.keep([capsules[i]!])
    pass(1000)
    await expect.poll(() => inside.corrected).toBe('slew')
  }
})

test('one that is held is left alone until it is not any more, and one that is gone for good', async () => {
  const [held, gone] = [capsule(5000), capsule(5000)]
  capsules[0]!.isHeld = true
  keeper.keep(capsules)
  capsules.splice(1, 1)
  pass(1000)
  await settled(0)
  expect([held, gone].map(({ inside }) => inside.clockOffsetMs)).toEqual([5000, 5000])
  capsules[0]!.isHeld = false
  pass(2000)
  await expect.poll(() => Math.abs(held.inside.clockOffsetMs)).toBeLessThan(1000)
})

test('one that does not answer keeps no other from being right, and a closed keeper looks at none', async () => {
  capsule(0).end()
  const good = capsule(5000)
  keeper.keep(capsules)
  pass(1000)
  await expect.poll(() => Math.abs(good.inside.clockOffsetMs)).toBeLessThan(1000)
  keeper.close()
  expect(timers).toEqual([])
})
