import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Background } from './background.js'
import { TestClock } from '../testing/test-clock.js'
import { Owed } from './owed.js'
import { Undo } from './undo.js'

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

test('work that fails has settled too, and its error is the caller’s', async () => {
  const background = new Background()
  const work = background.run('a', () => later(10).then(() => Promise.reject(new Error('no'))))
  await expect(work).rejects.toThrow('no')
  await background.settled('a')
  await background.allSettled()
})

test('everything that is under way is waited for, two works on one capsule included', async () => {
  const background = new Background()
  let ended = 0
  const work = (ms: number) => later(ms).then(() => void ended++)
  const works = [
    background.run('a', () => work(60)),
    background.run('a', () => work(10)),
    background.run('b', () => work(30)),
  ]
  await background.settled('a')
  expect(ended).toBeGreaterThanOrEqual(2)
  await background.allSettled()
  expect(ended).toBe(3)
  await Promise.all(works)
})

test('what is taken back is taken back from the last to the first, a failure on the way included', async () => {
  const log: string[] = []
  const logger = pino({}, { write: (line: string) => void log.push(line) })
  const clock = new TestClock()
  const undo = new Undo({ log: logger, owed: new Owed({ clock, log: logger }) })
  let room = false
  const done: string[] = []
  undo.add('first', async () => void done.push('first'))
  undo.add('second', async () => Promise.reject(new Error('stuck')))
  undo.owe('owed', async () => (room ? void done.push('owed') : Promise.reject(new Error('no room'))))
  undo.add('third', async () => void done.push('third'))
  await undo.run()
  await undo.run()
  expect(done).toEqual(['third', 'first'])
  expect(log.join()).toContain('could not undo: second')
  // What is owed is tried until it is done.
  clock.advance(100)
  expect(done).toEqual(['third', 'first'])
  room = true
  await expect.poll(() => [...done, clock.advance(5)].length).toBe(4)
  expect(done).toEqual(['third', 'first', 'owed'])
  await expect.poll(() => clock.waiting()).toEqual([])
})
