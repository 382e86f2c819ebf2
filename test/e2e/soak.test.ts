/** A short soak on the fake vmm: the soak itself works, and finds nothing. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn } from 'wrenn'
import { soakSubject } from '../../packages/cli/src/bench/soak/drive.js'
import type { Subject } from '../../packages/cli/src/bench/soak/subject.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
beforeAll(async () => {
  wrenn = await startFake(undefined, existsSync('/dev/shm') ? '/dev/shm' : undefined)
})
afterAll(() => wrenn.end())

test('nothing is lost and nothing is left, with a server that is restarted and capsules that end by themselves', async () => {
  const first = wrenn.url
  const subject: Subject = {
    ...{ url: first, apiKey: wrenn.key, dataDir: wrenn.dataDir, pid: process.pid },
    killVmm: async (id) => wrenn.world.machineOf(id)!.end('it was killed'),
    crash: () => wrenn.restart(),
    stop: async () => {},
  }
  // After a restart the server has another port.
  const moved: typeof fetch = (input, init) => fetch((input as string).replace(first, wrenn.url), init)
  const client = new Wrenn({ baseUrl: `${first}/api`, apiKey: wrenn.key, fetch: moved })
  const outcome = await soakSubject(
    { subject, client },
    {
      ...{ minutes: 0.1, operations: 150, capsules: 6, workers: 3, faultEvery: 0.8, seed: Date.now() % 1_000_000 },
      ...{ restMs: 0, tell: () => {}, signal: AbortSignal.timeout(60_000) },
    },
  )
  expect(outcome.wrong, `seed ${outcome.seed}`).toEqual([])
  expect(outcome.errors.filter(({ why }) => why === 'unexpected')).toEqual([])
  expect(outcome.operations).toBeGreaterThan(150)
  expect(outcome.faults.serverKills + outcome.faults.vmmKills).toBeGreaterThan(0)
  expect([...wrenn.world.machines.values()].map(({ name }) => name)).toEqual([])
}, 90_000)
