/**
 * Requests made from the OpenAPI document, on both base paths: right ones, wrong ones, without a key, and in sequences. FUZZ_SECONDS
 * makes it go on for longer, FUZZ_SEED makes other requests. schemathesis/ says what is left out, and which answers are explained.
 */
import { basePaths, isSocketRoute, isTunnelRoute, routes, type Route } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fuzz, schemathesis, successes, tableOf } from '../support/fuzz/schemathesis.js'
import { startFuzzed, type Fuzzed } from '../support/fuzz/server.js'

const given = process.env['FUZZ_SECONDS']
const seconds = given === undefined ? undefined : Number(given)
const seed = Number(process.env['FUZZ_SEED'] ?? 1)
/** How many made-up requests of each operation; without more time they are few. */
const examples = seconds === undefined ? 2 : 50
/** The boundaries of all values are most of the work; the second base path is the same code below another prefix. */
const all = ['examples', 'coverage', 'fuzzing', 'stateful'] as const
const phases = { '': all, '/api': seconds === undefined ? all.filter((phase) => phase !== 'coverage') : all }
/** How many operations may have had no success. */
const mostUseless = seconds === undefined ? 3 : 0
const MINUTE = 60_000

/** Those that are asked for: neither upgrades nor streams without an end. */
const asked = (Object.entries(routes) as [string, Route][])
  .filter(([, route]) => !isSocketRoute(route) && !isTunnelRoute(route) && route.replies[200]?.kind !== 'events')
  .map(([name]) => name)
  .filter((name) => name !== 'watchFiles')

const found = await schemathesis()
if ('missing' in found) console.error(`\n!! API fuzzing is SKIPPED, nothing was tried: ${found.missing}\n`)

let wrenn: Fuzzed
beforeAll(async () => {
  wrenn = await startFuzzed()
})
afterAll(async () => {
  expect(await wrenn.end()).toEqual([])
})

test.skipIf('missing' in found).each(basePaths)(
  'below "%s", what the document promises is kept, and nothing fails or hangs',
  { timeout: 5 * MINUTE + (seconds ?? 0) * 2000 },
  async (base) => {
    const { folder } = found as { folder: string }
    const { code, said, tallies } = await fuzz({
      ...wrenn,
      folder,
      base,
      seed,
      examples,
      phases: phases[base],
      seconds,
    })
    console.log(tableOf(tallies))
    expect(code, `seed ${seed}\n${said}`).toBe(0)
    expect(wrenn.errors).toEqual([])
    if (phases[base].length < all.length) return
    // One that only ever refuses has not been tried; in a short run, a few may have met another's deletion.
    const useless = asked.filter((name) => !tallies[name] || successes(tallies[name]) === 0)
    expect(useless.length, `operations without a success: ${useless.join()}`).toBeLessThanOrEqual(mostUseless)
  },
)
