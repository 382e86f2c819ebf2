import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startWorkers, type RunTask, type WorkerPool } from '../worker/pool.js'
import type { Snapshot } from './store.js'
import { Verifier } from './verify.js'

let dir: string
let workers: WorkerPool

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-verify-'))
  workers = startWorkers()
})

afterEach(async () => {
  await workers.close()
  await rm(dir, { recursive: true, force: true })
})

test('a file that goes between the look at its length and its reading is missing, and is no failure', async () => {
  const path = join(dir, 'disk')
  await writeFile(path, 'abc')
  const afterRemoval: RunTask = (name, input) => rm(path).then(() => workers.run(name, input))
  const verifier = new Verifier(afterRemoval)
  const files = [{ name: 'disk', bytes: 3, mtime_ms: 0, sha256: '0'.repeat(64), own: true }]
  const parts = await verifier.verify({ dir, manifest: { files } } as unknown as Snapshot)
  expect(parts).toEqual([{ name: 'disk', bytes: 3, problem: 'its file disk is missing' }])
})
