/**
 * Agents that say anything. Cases that once went wrong are in `fuzz.corpus.json` and come first. FUZZ_SECONDS makes it go on for
 * longer, FUZZ_SEED repeats a run.
 */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, expect, test } from 'vitest'
import fc from 'fast-check'
import { testGuest } from '../testing/guest.js'
import { answerAs, answerCase, callAll, rawCase, rawGuest, type AnswerCase, type RawCase } from '../testing/hostile.js'

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 8)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
/** How long a caller waits. */
const PATIENCE_MS = 150
/** What is held after all cases may be this much more than after the first ones, in bytes. */
const MOST_GROWTH = 64 * 1024 * 1024

const corpus = JSON.parse(readFileSync(new URL('fuzz.corpus.json', import.meta.url), 'utf8')) as {
  raw: RawCase[]
  answers: AnswerCase[]
}
const unhandled: unknown[] = []
const note = (error: unknown) => unhandled.push((error as Error).stack ?? error)
process.on('unhandledRejection', note).on('uncaughtException', note)
afterAll(() => {
  process.off('unhandledRejection', note).off('uncaughtException', note)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function held(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Tries cases until the time is over, and looks at what is left of them. */
async function tryAll<T>(cases: fc.Arbitrary<T>, known: T[], check: (one: T) => Promise<void>): Promise<void> {
  for (const one of known) await check(one)
  const before = held()
  let tried = 0
  const property = fc.asyncProperty(cases, (one) => (tried++, check(one)))
  const timeLimit = (SECONDS * 1000) / 2
  await fc.assert(property, { seed, numRuns: 1_000_000, interruptAfterTimeLimit: timeLimit, endOnFailure: SECONDS < 60 })
  await new Promise((resolve) => setImmediate(resolve))
  expect(tried).toBeGreaterThan(1)
  if (process.env['FUZZ_SECONDS']) console.log(`${tried} cases`)
  expect([...new Set(unhandled)]).toEqual([])
  expect(held() - before).toBeLessThan(MOST_GROWTH)
}

const timeout = SECONDS * 1000 + 60_000

test('whatever bytes it says, every call settles in time, and nothing else is harmed', { timeout }, async () => {
  await tryAll(rawCase, corpus.raw, async (one) => {
    const { guest, end } = rawGuest(one)
    try {
      await callAll(guest, PATIENCE_MS)
    } finally {
      end()
    }
  })
  await expectOthersWork()
})

test('whatever it answers, every call settles in time with what it promises', { timeout }, async () => {
  await tryAll(answerCase, corpus.answers, async (one) => {
    const fixture = testGuest((stream) => answerAs(stream, one))
    try {
      await callAll(fixture.guest, PATIENCE_MS)
    } finally {
      fixture.end()
    }
  })
  await expectOthersWork()
})

async function expectOthersWork(): Promise<void> {
  const fixture = testGuest()
  expect(await fixture.guest.processes(AbortSignal.timeout(5000))).toEqual([])
  fixture.end()
}
