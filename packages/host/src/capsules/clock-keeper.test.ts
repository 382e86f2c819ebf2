/** Clocks that go wrong are found and put right, by timers that the test moves. */
import { setImmediate as turn } from 'node:timers/promises'
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
  const live = { all: () => [...capsules], find: (id: string) => capsules.find((one) => one.id === id) }
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

test('each is looked at every 30 seconds, at another moment, and put right where it is wrong', async () => {
  const [wrong, right] = [capsule(-7000), capsule(0)]
  keeper.start()
  pass(0)
  await expect.poll(() => Math.abs(wrong.inside.clockOffsetMs)).toBeLessThan(1000)
  expect(asked).toEqual(['cl-0 GET', 'cl-0 POST'])
  pass(15_000)
  await expect.poll(() => asked.length).toBe(3)
  expect(asked.at(-1)).toBe('cl-1 GET')
  right.inside.clockOffsetMs = 900
  pass(30_000)
  await expect.poll(() => Math.abs(right.inside.clockOffsetMs)).toBeLessThan(400)
  expect(asked.slice(3).filter((call) => call === 'cl-1 POST')).toHaveLength(1)
})

test('one that is held is left alone, and so is one that is gone', async () => {
  const [held, next] = [capsule(5000), capsule(5000)]
  capsules[0]!.isHeld = true
  keeper.start()
  pass(0)
  await turn()
  capsules.splice(1, 1)
  pass(29_999)
  await turn()
  expect(asked).toEqual([])
  expect([held, next].map(({ inside }) => inside.clockOffsetMs)).toEqual([5000, 5000])
  capsules[0]!.isHeld = false
  pass(1)
  await expect.poll(() => Math.abs(held.inside.clockOffsetMs)).toBeLessThan(1000)
})

test('one that does not answer keeps no other from being right, and a closed keeper looks at none', async () => {
  capsule(0).end()
  capsules.push({ ...capsules[0]!, id: 'other' })
  const good = capsule(5000)
  keeper.start()
  pass(29_000)
  await expect.poll(() => Math.abs(good.inside.clockOffsetMs)).toBeLessThan(1000)
  keeper.close()
  expect(timers).toEqual([])
})
