/** How a guest's clock is measured and put right. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testGuest, type TestGuest } from '../testing/guest.js'
import { measureClock, nsOf, offsetOf, settleClock } from './clock.js'
import { renew } from './greet.js'

const identity = { capsuleId: 'cl-1', template: 'minimal' }
let signal: AbortSignal
let fixture: TestGuest
beforeEach(() => {
  signal = AbortSignal.timeout(10_000)
  fixture = testGuest()
})
afterEach(() => fixture.end())

test('an offset is the distance from the middle of question and answer, give or take the way', () => {
  expect(offsetOf({ sent: 1000, received: 1020, arrived: 1510, answered: 1510 })).toEqual({
    offsetMs: 500,
    uncertaintyMs: 10,
  })
  // What the guest does between getting the question and answering is no part of the way.
  const slow = offsetOf({ sent: 1000, received: 6020, arrived: 1010, answered: 6010 })
  expect(slow).toEqual({ offsetMs: 0, uncertaintyMs: 10 })
  // A clock that was set to the time of the question when that arrived is behind by half of the way.
  expect(offsetOf({ sent: 1000, received: 1040, arrived: 1000, answered: 1000 })).toEqual({
    offsetMs: -20,
    uncertaintyMs: 20,
  })
})

test('nanoseconds are told exactly enough, before 1970 too', () => {
  expect(nsOf(1_700_000_000_123)).toBe('1700000000123000000')
  expect(nsOf(-12.5)).toBe('-12500000')
})

test('a renewal tells how far the clock is off, and by then it is right', async () => {
  fixture.inside.clockOffsetMs = 86_400_000
  const { clock_offset_ms, renewed, hooks } = await renew(fixture.channel, identity)
  expect(Math.abs(clock_offset_ms)).toBeLessThanOrEqual(100)
  expect(Math.abs(fixture.inside.clockOffsetMs)).toBeLessThanOrEqual(200)
  expect(renewed).toContain('boot_id')
  expect(hooks).toEqual([])
})

test('a clock that was measured badly is set until it is right', async () => {
  fixture.inside.clockOffsetMs = 3000
  const measured = await settleClock(fixture.channel, { offsetMs: 3500, uncertaintyMs: 600 }, signal)
  expect(Math.abs(measured)).toBeLessThanOrEqual(100)
  expect(Math.abs((await measureClock(fixture.channel, signal)).offsetMs)).toBeLessThanOrEqual(100)
})

test('a clock that cannot be set fails the start', async () => {
  fixture.end()
  const hour = BigInt(3_600_000_000_000)
  fixture = testGuest((stream, headers) => {
    stream.resume()
    stream.respond({ ':status': 200 })
    const unix_time_ns = String(BigInt(nsOf(Date.now())) + hour)
    const renewed = ['random', 'clock', 'hostname', 'machine_id', 'boot_id', 'hosts', 'identity']
    stream.end(headers[':path'] === '/v1/renew' ? JSON.stringify({ renewed, unix_time_ns }) : JSON.stringify({ unix_time_ns }))
  })
  await expect(renew(fixture.channel, identity)).rejects.toMatchObject({ code: 'agent_error' })
  await expect(renew(fixture.channel, identity)).rejects.toThrow(/clock could not be set: it is 3[56]\d{5} ms off/)
})

test.each([
  ['a part is missing', ['random', 'clock', 'hostname', 'machine_id', 'hosts', 'identity'], 'did not renew its boot_id'],
  ['it does not tell the time', ['random', 'clock', 'hostname', 'machine_id', 'boot_id', 'hosts', 'identity'], 'clock'],
])('a renewal in which %s fails', async (_, renewed, message) => {
  fixture.end()
  fixture = testGuest((stream) => {
    stream.resume()
    stream.respond({ ':status': 200 })
    stream.end(JSON.stringify({ renewed, has_hooks: false }))
  })
  await expect(renew(fixture.channel, identity)).rejects.toThrow(message)
})
