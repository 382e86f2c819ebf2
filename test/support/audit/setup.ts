/**
 * Before and after each run of the tests: what runs that are dead have left is removed, and nothing of this one may be
 * left. Other runs on the machine, and of other checkouts, may be under way: their things are told by their names.
 */
import { watch } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findLeft, resolverPorts, type Scope } from './left.js'
import { deadDirectories, directoriesOf, root, RUN_VARIABLE, runFolders, temporaryOf, thisRun } from './run.js'
import { sweep, sweepMachine } from './sweep.js'

/** The kernel takes a moment until what was ended is gone, and tells nobody. */
const PATIENCE_MS = 5_000
const LOOK_MS = 100

export default async function setup(): Promise<() => Promise<void>> {
  const run = await thisRun()
  await sweep(await deadDirectories())
  const resolversBefore = await resolverPorts()
  const temporary = temporaryOf(run)
  const seen = new Set<string>()
  const [, cache] = runFolders()
  await Promise.all([mkdir(temporary), mkdir(cache!, { recursive: true })])
  // As /tmp is: capsules' users find their ways through it.
  await chmod(temporary, 0o1777)
  const watchers = [temporary, cache!].map((folder) =>
    watch(folder, (_, name) => {
      if (name !== null && (folder === temporary || name.startsWith(`run-${run}-`))) seen.add(join(folder, name))
    }),
  )
  const before = process.env['TMPDIR']
  Object.assign(process.env, { TMPDIR: temporary, [RUN_VARIABLE]: run })
  return async () => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    // The runner tells of what is thrown here, and ends as if nothing had happened; also where it finds that this takes long.
    const { exitCode } = process
    process.exitCode = 1
    const left = await settled({
      temporary,
      // What still comes of the watchers is there.
      dataDirs: [...new Set([...seen, ...(await directoriesOf(run)).filter((path) => path !== temporary)])],
      programs: ['packages', 'test', 'agent'].map((folder) => join(root, folder)),
      resolversBefore,
    })
    for (const watcher of watchers) watcher.close()
    await sweep(await directoriesOf(run))
    for (const dataDir of seen) await sweepMachine(dataDir)
    if (left.length === 0) {
      process.exitCode = exitCode
      return
    }
    throw new Error(
      `These tests (${basename(temporary)}) have left behind:\n${left.map((one) => `  ${one}`).join('\n')}`,
    )
  }
}

async function settled(scope: Scope): Promise<string[]> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const left = await findLeft(scope)
    if (left.length === 0 || performance.now() > end) return left
    await delay(LOOK_MS)
  }
}
