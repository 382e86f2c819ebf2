import { beforeEach, expect, test } from 'vitest'
import { TestClock } from '../testing/test-clock.js'
import { OutputMode, type Evidence } from './output-mode.js'

let clock: TestClock
beforeEach(() => void (clock = new TestClock()))

/** Whether output may be sent by now. */
const isDecided = (mode: OutputMode) =>
  Promise.race([mode.decided.then(() => true), new Promise((resolve) => setImmediate(() => resolve(false)))])

test.each([undefined, 'node', 'Mozilla/5.0 python-httpx/0.28'])(
  'a client called %s is sent base64 at once',
  async (name) => {
    const mode = new OutputMode(name, clock)
    expect([mode.isProbing, await isDecided(mode), mode.isBinary]).toEqual([false, true, false])
    expect(clock.waiting()).toEqual([])
    mode.heard('input')
    expect(mode.isBinary).toBe(false)
  },
)

test.each(['pong', 'binary'] as const)(
  'any client is sent binary messages once it has sent one, or a pong: %s',
  (evidence) => {
    const mode = new OutputMode('node', clock)
    mode.heard(evidence)
    expect(mode.isBinary).toBe(true)
    mode.heard('input')
    expect(mode.isBinary).toBe(true)
  },
)

test.each([
  ['pong', true],
  ['binary', true],
  ['input', false],
] as [Evidence, boolean][])(
  'for a client of httpx nothing is sent before it has said what it is: %s',
  async (evidence, isBinary) => {
    const mode = new OutputMode('python-httpx/0.28.1', clock)
    expect([mode.isProbing, await isDecided(mode)]).toEqual([true, false])
    mode.heard(evidence)
    expect([await isDecided(mode), mode.isBinary]).toEqual([true, isBinary])
    expect(clock.waiting()).toEqual([])
  },
)

test('one that says nothing is sent base64 after a second, and binary messages when it speaks later', async () => {
  const mode = new OutputMode('python-httpx/0.28.1', clock)
  clock.advance(1.1)
  expect([await isDecided(mode), mode.isBinary]).toEqual([true, false])
  mode.heard('pong')
  expect(mode.isBinary).toBe(true)
})

test('one that leaves is waited for no more', async () => {
  const mode = new OutputMode('python-httpx/0.28.1', clock)
  mode.end()
  expect(await isDecided(mode)).toBe(true)
  expect(clock.waiting()).toEqual([])
})
