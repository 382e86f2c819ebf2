import { beforeEach, expect, test } from 'vitest'
import { pino } from 'pino'
import { Problem } from '@wrenn/wire'
import { TestClock } from '../testing/test-clock.js'
import type { Context } from './context.js'
import { Sessions } from './sessions.js'

let clock: TestClock
let killed: string[]
let failure: Error | undefined
let log: string[]
let sessions: Sessions
beforeEach(() => {
  clock = new TestClock()
  killed = []
  log = []
  failure = undefined
  const kill = async (id: string, how: string) => {
    killed.push(`${how} ${id}`)
    if (failure) throw failure
  }
  const fleet = { hostFor: () => ({ guest: () => ({ kill }) }) }
  const logger = pino({}, { write: (line: string) => void log.push(line) })
  sessions = new Sessions({ clock, fleet, log: logger } as unknown as Context)
})
const settle = () => new Promise((resolve) => setImmediate(resolve))

test('a program whose client closes its socket is killed at once', () => {
  sessions.started('c', 'p')('closed')
  expect(killed).toEqual(['SIGKILL p'])
  clock.advance(100)
  expect(killed).toHaveLength(1)
})

test('one whose client is lost is killed after a minute', () => {
  sessions.started('c', 'p')('lost')
  clock.advance(59)
  expect(killed).toEqual([])
  clock.advance(1.5)
  expect(killed).toEqual(['SIGKILL p'])
})

test('one that is taken up again in time lives until that client leaves', () => {
  sessions.started('c', 'p')('lost')
  clock.advance(59)
  const leave = sessions.attached('c', 'p')
  clock.advance(600)
  expect(killed).toEqual([])
  leave('lost')
  leave('closed')
  clock.advance(59)
  expect(killed).toEqual([])
  clock.advance(1.5)
  expect(killed).toEqual(['SIGKILL p'])
})

test('one that others watch is not killed before the last of them has left', () => {
  const leave = sessions.started('c', 'p')
  const other = sessions.attached('c', 'p')
  leave('closed')
  clock.advance(100)
  expect(killed).toEqual([])
  other('closed')
  expect(killed).toEqual(['SIGKILL p'])
})

test('one that ended is forgotten, and one of another kind or of another capsule is left alone', () => {
  sessions.started('c', 'p')('ended')
  sessions.attached('c', 'p')('closed')
  sessions.started('c', 'q')
  sessions.attached('d', 'q')('closed')
  expect(killed).toEqual([])
  expect(clock.waiting()).toEqual([])
})

test('when the server ends nothing is killed, not even what was waiting for it', () => {
  const leave = sessions.started('c', 'p')
  sessions.started('c', 'q')('lost')
  sessions.stop()
  leave('closed')
  clock.advance(100)
  expect(killed).toEqual([])
  expect(clock.waiting()).toEqual([])
})

test('a kill that fails is logged, unless the program had ended', async () => {
  failure = new Problem('not_found', 'There is no such process.')
  sessions.started('c', 'p')('closed')
  await settle()
  expect(log).toEqual([])
  failure = new Error('no way')
  sessions.started('c', 'p')('closed')
  await settle()
  expect(log.join()).toContain('no way')
})
