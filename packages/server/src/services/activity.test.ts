/** When a capsule counts as idle: on a clock that does not wait. */
import { newId, openNetwork } from '@wrenn/wire'
import { pino } from 'pino'
import { beforeEach, describe, expect, test } from 'vitest'
import { Fleet } from '../fleet/fleet.js'
import type { Capsule, Store } from '../store/store.js'
import { TestClock } from '../testing/test-clock.js'
import { Activity } from './activity.js'
import { newCapsule } from './capsule.js'
import { toIso } from './clock.js'
import { Owed } from './owed.js'

let clock: TestClock
let activity: Activity
let idle: string[]
let stored: string[]
let whenIdle: (id: string) => Promise<void>
let log: string[]
beforeEach(() => {
  clock = new TestClock()
  ;[idle, stored, log] = [[], [], []]
  whenIdle = async (id) => activity.forget(id)
  const store = { capsules: { active: async (_: string, at: string) => void stored.push(at) } } as unknown as Store
  const logger = pino({}, { write: (line: string) => void log.push(line) })
  activity = new Activity({
    store,
    fleet: new Fleet([]),
    log: logger,
    clock,
    owed: new Owed({ clock, log: logger }),
    hasNetwork: true,
  })
  activity.onIdle(async ({ id }) => {
    idle.push(id)
    await whenIdle(id)
  })
})

/** A running capsule that is paused after ten seconds, or after `timeoutSec`. */
function watched(timeoutSec = 10, activeAgo = 0): Capsule {
  const size = { vcpus: 1, memoryMb: 512, timeoutSec, metadata: null, network: openNetwork }
  const capsule = newCapsule({ teamId: newId('team'), template: 'minimal', versionId: null, ...size })
  const running = { ...capsule, lastActiveAt: toIso(clock.now() - activeAgo * 1000) }
  activity.watch(running)
  return running
}
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('the idle time', () => {
  test('runs from the start, and its end comes once', () => {
    const { id } = watched()
    clock.advance(9)
    expect(idle).toEqual([])
    clock.advance(1.1)
    expect(idle).toEqual([id])
    clock.advance(1000)
    expect(idle).toEqual([id])
  })

  test('of zero never ends, and sets no timer', () => {
    watched(0)
    expect(clock.waiting()).toEqual([])
  })

  test('runs from the last activity before a restart; of what is long ago a minute is left, or the whole time if shorter', () => {
    const [recent, old] = [watched(100, 20), watched(100, 6000)]
    watched(10, 60)
    watched(1000, -6000)
    expect(clock.waiting()).toEqual([10, 60, 80, 1000])
    clock.advance(61)
    expect(idle.slice(1)).toEqual([old.id])
    clock.advance(20)
    expect(idle.slice(2)).toEqual([recent.id])
  })

  test('is of each capsule alone', () => {
    const [one, other] = [watched(10), watched(20)]
    clock.advance(11)
    expect(idle).toEqual([one.id])
    clock.advance(10)
    expect(idle).toEqual([one.id, other.id])
  })

  test('may be a year', () => {
    const { id } = watched(31_536_000)
    clock.advance(31_535_000)
    expect(idle).toEqual([])
    clock.advance(1001)
    expect(idle).toEqual([id])
  })

  test('ends with the capsule', () => {
    const { id } = watched()
    activity.forget(id)
    expect(clock.waiting()).toEqual([])
  })
})

describe('a call', () => {
  test('that is open stops the time, however long; the end of the last begins it anew', () => {
    const { id } = watched()
    const [one, other] = [activity.enter(id), activity.enter(id)]
    one.confirm()
    other.confirm()
    expect(activity.isOpen(id)).toBe(true)
    clock.advance(1000)
    one.end()
    clock.advance(1000)
    expect(idle).toEqual([])
    other.end()
    other.end()
    expect(activity.isOpen(id)).toBe(false)
    clock.advance(9)
    expect(idle).toEqual([])
    clock.advance(1.1)
    expect(idle).toEqual([id])
  })

  test('that was refused is no activity: the time runs on as it was', () => {
    const { id } = watched()
    clock.advance(6)
    activity.enter(id).end()
    clock.advance(4.1)
    expect(idle).toEqual([id])
    expect(stored).toEqual([])
  })

  test('to a capsule that nobody watches leaves nothing behind', () => {
    const lease = activity.enter('some')
    expect(activity.isOpen('some')).toBe(true)
    lease.end()
    expect(activity.isOpen('some')).toBe(false)
    expect(clock.waiting()).toEqual([])
  })

  test('is noted in the store once a second at most, at its begin and at its end', () => {
    const { id } = watched()
    clock.advance(5)
    for (let i = 0; i < 100; i++) {
      const lease = activity.enter(id)
      lease.confirm()
      lease.end()
    }
    expect(stored).toHaveLength(1)
    const long = activity.enter(id)
    long.confirm()
    clock.advance(60)
    long.end()
    expect(stored).toHaveLength(2)
  })

  test('a ping begins the time anew', () => {
    const { id } = watched()
    clock.advance(9)
    activity.touch(id)
    clock.advance(9)
    expect(idle).toEqual([])
    clock.advance(1.1)
    expect(idle).toEqual([id])
  })
})

describe('a pause', () => {
  test('that fails is logged and tried again after another idle time', async () => {
    const { id } = watched()
    whenIdle = async () => Promise.reject(new Error('no room'))
    clock.advance(11)
    await settle()
    expect(log.join()).toContain('no room')
    clock.advance(9)
    expect(idle).toEqual([id])
    clock.advance(1.1)
    expect(idle).toEqual([id, id])
  })

  test('that is under way is not begun a second time, whatever comes and goes meanwhile', async () => {
    const { id } = watched()
    let done = () => {}
    whenIdle = () => new Promise<void>((resolve) => (done = resolve))
    clock.advance(11)
    const lease = activity.enter(id)
    lease.confirm()
    lease.end()
    clock.advance(100)
    expect(idle).toEqual([id])
    done()
    await settle()
    expect(clock.waiting()).toEqual([10])
  })

  test('does not begin once the server stops', () => {
    watched()
    activity.stop()
    watched()
    clock.advance(100)
    expect(idle).toEqual([])
  })
})
