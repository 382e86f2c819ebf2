import { join } from 'node:path'
import { entries } from '../fs/durable.js'
import { names, pathsOf } from '../paths.js'
import { openSnapshot, type Snapshot } from '../snapshots/store.js'
import { Verifier } from '../snapshots/verify.js'
import { startWorkers } from '../worker/pool.js'
import { abortable } from '../wait.js'
import { failure, ok, reasonOf, skipped, type Outcome } from './outcome.js'

export interface CheckTemplates {
  dataDir: string
  /** Ends it: it may take long. */
  signal: AbortSignal
  /** Told before each, with how many there are. */
  onProgress?: (done: number, all: number) => void
}

/** Compares every file of every snapshot and of every image's ready memory with its digest. */
export async function checkTemplates({ dataDir, signal, onProgress }: CheckTemplates): Promise<Outcome> {
  const all = await foldersOf(dataDir)
  if (all.length === 0) return skipped('there are none yet')
  const workers = startWorkers()
  const damaged: string[] = []
  try {
    const verifier = new Verifier(workers.run)
    for (const [done, { name, dir }] of all.entries()) {
      onProgress?.(done, all.length)
      const problem = await abortable(problemOf(dir, verifier), signal)
      if (problem) damaged.push(`${name}: ${problem}`)
    }
  } finally {
    await workers.close()
  }
  if (damaged.length === 0) return ok(`${all.length} checked, every byte`)
  return failure(`${damaged.length} of ${all.length} are damaged, and are not started.`, {
    items: damaged,
    fix: 'Take those snapshots again, or start an older version. What is ready of an image is made anew once its folder is removed. Then look after the disk.',
  })
}

/** Everything with a manifest. */
async function foldersOf(dataDir: string): Promise<{ name: string; dir: string }[]> {
  const paths = pathsOf(dataDir)
  const snapshots = (await entries(paths.snapshots)).map((id) => ({ name: id, dir: paths.snapshot(id) }))
  const images = await entries(paths.images)
  const ready = await Promise.all(
    images.map(async (id) =>
      (await entries(paths.readyOf(id))).map((size) => ({
        name: `${id}/${names.ready}/${size}`,
        dir: join(paths.readyOf(id), size),
      })),
    ),
  )
  return [...snapshots, ...ready.flat()]
}

/** What is wrong with one; while a server works on it, what it is by then counts. */
async function problemOf(dir: string, verifier: Verifier): Promise<string | undefined> {
  for (;;) {
    const before = await opened(dir)
    if (typeof before === 'string') return before
    // It was removed meanwhile.
    if (!before) return (await entries(dir)).length > 0 ? 'its manifest is missing' : undefined
    const parts = await verifier.verify(before)
    const problem = parts.find((part) => part.problem)?.problem
    if (!problem) return undefined
    const after = await opened(dir)
    if (JSON.stringify(after) === JSON.stringify(before)) return problem
  }
}

async function opened(dir: string): Promise<Snapshot | undefined | string> {
  return openSnapshot(dir).catch((error: unknown) => reasonOf((error as Error).cause ?? error))
}
