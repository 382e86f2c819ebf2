import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { entries, removeDirectory } from '../fs/durable.js'
import { pathsOf } from '../paths.js'
import { readRecord } from '../capsules/record.js'
import { processesWorkingIn } from '../process/find.js'
import { ok, warning, type Outcome } from './outcome.js'

/** What the store refers to. */
export interface Referred {
  /** Snapshots of versions and of pauses. */
  snapshotIds: readonly string[]
  /** Images that versions mean. */
  imageIds: readonly string[]
  /** Capsules that run, or are being started. */
  capsuleIds: readonly string[]
}

export interface Orphans {
  staging: string[]
  capsules: string[]
  snapshots: string[]
  images: string[]
  parts: string[]
}

/** Finds what is on disk and nothing refers to. Only for while no server runs, which works in some of it. */
export async function findOrphans(dataDir: string, referred: Referred): Promise<Orphans> {
  const paths = pathsOf(dataDir)
  const others = async (folder: string, known: readonly string[]) =>
    (await entries(folder)).filter((name) => !known.includes(name))
  const parts = await entries(paths.parts)
  const used = await Promise.all(parts.map((name) => isLinked(join(paths.parts, name))))
  return {
    staging: await entries(paths.staging),
    capsules: await others(paths.capsules, referred.capsuleIds),
    snapshots: await others(paths.snapshots, referred.snapshotIds),
    images: await others(paths.images, referred.imageIds),
    parts: parts.filter((_, at) => !used[at]),
  }
}

/** Whether any image uses a part: it links its files. */
async function isLinked(dir: string): Promise<boolean> {
  const facts = await Promise.all((await entries(dir)).map((name) => stat(join(dir, name))))
  return facts.some((one) => one.isFile() && one.nlink > 1)
}

/** Whether all that is on disk belongs to something; each that does not is named. */
export async function checkOrphans(dataDir: string, referred: Referred): Promise<Outcome> {
  const orphans = await findOrphans(dataDir, referred)
  const items = Object.entries(orphans).flatMap(([folder, found]: [string, string[]]) =>
    found.map((name) => `${folder}/${name}`),
  )
  if (items.length === 0) return ok('none')
  return warning(`${items.length} things on disk belong to nothing.`, {
    items,
    fix: 'wrenn doctor --fix removes those in staging and capsules; the next start of the server removes those in snapshots too. Images and parts of older recipes may be removed by hand.',
  })
}

/** Whether every process that works below the data directory is in a capsule's record. */
export async function checkProcesses(dataDir: string): Promise<Outcome> {
  const paths = pathsOf(dataDir)
  const ids = await entries(paths.capsules)
  const records = await Promise.all(ids.map((id) => readRecord(paths.capsule(id)).catch(() => undefined)))
  const known = new Set(records.flatMap((record) => (record ? [`${record.vm.pid} ${record.vm.startTime}`] : [])))
  const found = await processesWorkingIn([paths.capsules, paths.snapshots, paths.staging])
  const others = found.filter(({ pid, startTime }) => !known.has(`${pid} ${startTime}`))
  if (others.length === 0) return ok(`${found.length} processes, each in the record of its capsule`)
  return warning(`${others.length} processes work below the data directory and are in no capsule's record.`, {
    items: others.map(({ pid }) => `pid ${pid}`),
    fix: 'The next start of the server ends them; kill PID does it now.',
  })
}

/** Removes what was left half-made, and folders of capsules that are over. @returns what was done */
export async function removeOrphans(dataDir: string, referred: Referred): Promise<string[]> {
  const paths = pathsOf(dataDir)
  const { staging, capsules } = await findOrphans(dataDir, referred)
  const folders = [
    ...capsules.map((name) => join(paths.capsules, name)),
    // Those last, since all that is removed goes through there.
    ...staging.map((name) => join(paths.staging, name)),
  ]
  const done: string[] = []
  for (const folder of folders) {
    // Whatever lives is the server's to end.
    if ((await processesWorkingIn([folder])).length > 0) continue
    await removeDirectory(folder, paths.staging)
    done.push(`${folder}: removed`)
  }
  return done
}
