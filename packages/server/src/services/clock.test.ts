import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Alarm, systemClock } from './clock.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const DAY_MS = 24 * 3_600_000

test('what is due in a year is done in a year, and neither at once nor twice', () => {
  let done = 0
  systemClock.after(365 * DAY_MS, () => done++)
  vi.advanceTimersByTime(364.9 * DAY_MS)
  expect(done).toBe(0)
  vi.advanceTimersByTime(DAY_MS)
  expect(done).toBe(1)
  vi.advanceTimersByTime(1000 * DAY_MS)
  expect(done).toBe(1)
})

test('what is called off is not done, however far off it was', () => {
  let done = 0
  const cancel = systemClock.after(100 * DAY_MS, () => done++)
  vi.advanceTimersByTime(50 * DAY_MS)
  cancel()
  vi.advanceTimersByTime(100 * DAY_MS)
  expect([done, vi.getTimerCount()]).toEqual([0, 0])
})

test('an alarm waits for one thing, and for nothing any more once it was stopped', () => {
  const done: string[] = []
  const alarm = new Alarm(systemClock)
  alarm.set(systemClock.now() + 5000, () => done.push('first'))
  alarm.set(systemClock.now() + 9000, () => done.push('second'))
  vi.advanceTimersByTime(10_000)
  expect(done).toEqual(['second'])
  alarm.set(systemClock.now() - 1, () => done.push('past'))
  vi.advanceTimersByTime(1)
  expect(done).toEqual(['second', 'past'])
  alarm.set(systemClock.now() + 1, () => done.push('never'))
  alarm.stop()
  alarm.set(systemClock.now() + 1, () => done.push('never'))
  vi.advanceTimersByTime(10_000)
  expect(done).toEqual(['second', 'past'])
})
