/**
 * Bytes that are no request, or hardly one. Cases that once went wrong are in `http.corpus.json` and come first. FUZZ_SECONDS makes it
 * go on for longer, FUZZ_SEED repeats a run.
 */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { wrongIn } from '../support/fuzz/answers.js'
import { CAPSULE, KEY, talk, type Talk } from '../support/fuzz/socket.js'
import { deleteAll, startFuzzed, type Fuzzed } from '../support/fuzz/server.js'
import { talks } from '../support/fuzz/talks.js'

const given = process.env['FUZZ_SECONDS']
/** Without a time of its own a run makes so many crowds, always the same: what it finds does not depend on the machine. */
const CROWDS = 40
const SECONDS = Number(given ?? 60)
const numRuns = given === undefined ? CROWDS : 1_000_000
const seed = Number(process.env['FUZZ_SEED'] ?? 1)
/** How long a connection may take to be answered or closed: more than the server's patience. */
const DEADLINE_MS = 6000
/** How long a normal request may take beside them. */
const AT_ONCE_MS = 3000
/** What the log may have of errors: a tunnel, or a visitor of a port, to where nothing listens. */
const EXPECTED = /Nothing listens on port/
/** How many are under way at once. */
const CROWD = 48
/** What is held after all cases may be this much more than after the first ones, in bytes. */
const MOST_GROWTH = 64 * 1024 * 1024

const corpus = JSON.parse(readFileSync(new URL('http.corpus.json', import.meta.url), 'utf8')) as Talk[]
const unhandled: unknown[] = []
const note = (error: unknown) => unhandled.push((error as Error).stack ?? error)
process.on('unhandledRejection', note).on('uncaughtException', note)

let wrenn: Fuzzed
let id: string
const ask = (path: string, method = 'GET', body?: object) =>
  fetch(wrenn.url + path, {
    method,
    headers: { 'x-api-key': wrenn.key },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(AT_ONCE_MS),
  })
/** A capsule whose port 8000 answers. */
async function makeCapsule(): Promise<void> {
  id = ((await (await ask('/v1/capsules', 'POST', {})).json()) as { id: string }).id
  await ask(`/v1/capsules/${id}/exec`, 'POST', { cmd: 'http-echo', args: ['8000'], background: true })
}
beforeAll(async () => {
  wrenn = await startFuzzed(KEY)
  await makeCapsule()
})
afterAll(async () => {
  const left = await wrenn.end()
  process.off('unhandledRejection', note).off('uncaughtException', note)
  expect(left).toEqual([])
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function held(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What is wrong with how a server takes this, if something is. */
async function tried(one: Talk): Promise<string | undefined> {
  const pieces = one.pieces.map((piece) => piece.replaceAll(CAPSULE, id))
  const said = await talk(wrenn.url, { ...one, pieces }, DEADLINE_MS)
  const wrong = wrongIn(said, pieces.join(''))
  return wrong === undefined ? undefined : `${wrong}\nfor ${JSON.stringify(one)}`
}

/** Tries some at once; afterwards a normal request is served. */
async function tryAll(crowd: Talk[]): Promise<void> {
  const wrong = (await Promise.all(crowd.map(tried))).filter((one) => one !== undefined)
  expect(wrong).toEqual([])
  const { status } = await ask(`/v1/capsules/${id}`)
  expect(status).toBe(200)
  expect(wrenn.errors.splice(0).filter((line) => !EXPECTED.test(line))).toEqual([])
  expect([...new Set(unhandled)]).toEqual([])
  if (await isGone()) await makeCapsule()
}

/** Whether one of them has ended the capsule, or left too many others. */
async function isGone(): Promise<boolean> {
  const all = (await (await ask('/v1/capsules')).json()) as { id: string; status: string }[]
  if (all.length > CROWD * 2) await deleteAll(wrenn)
  return all.length > CROWD * 2 || !all.some((one) => one.id === id && one.status === 'running')
}

const timeout = SECONDS * 1000 + 60_000

test('whatever bytes come, they are answered or cut in time, and others are served at once', { timeout }, async () => {
  await tryAll(corpus)
  const before = held()
  let count = 0
  const crowds = fc.array(talks, { minLength: 1, maxLength: CROWD, size: 'max' })
  const property = fc.asyncProperty(crowds, (crowd) => ((count += crowd.length), tryAll(crowd)))
  const ending = { interruptAfterTimeLimit: SECONDS * 1000, endOnFailure: SECONDS < 60 }
  await fc.assert(property, { seed, numRuns, ...ending })
  expect(count).toBeGreaterThan(CROWD)
  console.log(`${count} conversations, seed ${seed}`)
  await deleteAll(wrenn)
  expect(held() - before).toBeLessThan(MOST_GROWTH)
})
