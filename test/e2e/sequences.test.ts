/** Random sequences of everything that is done to capsules and snapshots, with upkeep under way all the time. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runSequence } from '../support/sequence.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

/** One sequence after the other is begun for so long. */
const SECONDS = Number(process.env['WRENN_SEQUENCE_SECONDS'] ?? 20)
const given = process.env['WRENN_SEED']
/** A file system in memory, where there is one: nothing here is about power cuts, and most of the time would go to syncs. */
const memory = '/dev/shm'

let wrenn: FakeRunning
beforeAll(async () => {
  // A few pages are many here, and whatever was not started from for an instant is cold.
  wrenn = await startFake({ foldBytes: 24 * 1024, mostLayers: 3, coldMs: 30 }, existsSync(memory) ? memory : undefined)
})
afterAll(() => wrenn.end())

test(
  'random sequences end where their model does',
  async () => {
    const counts: Record<string, number> = {}
    const end = performance.now() + SECONDS * 1000
    let [seed, sequences] = [Number(given ?? Date.now() % 1_000_000_000), 0]
    do {
      const counted = await runSequence(wrenn, {
        seed: seed++,
        length: 60,
        limits: { capsules: 6, names: 3, bytes: 9000, files: 4 },
        memoryMb: 128,
        assertNothingLeft: async () => expect([...wrenn.world.machines.values()].map(({ name }) => name)).toEqual([]),
      })
      sequences++
      for (const [name, count] of Object.entries(counted)) counts[name] = (counts[name] ?? 0) + count
    } while (given === undefined && performance.now() < end)
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
    const each = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
    process.stdout.write(`  [sequences] ${sequences} with ${all} operations: ${each.join(', ')}\n`)
  },
  (SECONDS + 120) * 1000,
)
