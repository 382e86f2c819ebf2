/** Removes what runs of the tests that are over have left. */
import { spawnSync } from 'node:child_process'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { groupFolders, kill, removeLeftGroups, removeLeftNetworks } from '@wrenn/host/doctor'
import { loopsBelow, mountsBelow } from './left.js'
import { processesOf } from './processes.js'

/** Groups can't be removed until the last thread in them has gone, and nobody is told of that. */
const PATIENCE_MS = 5_000
const LOOK_MS = 50

/** Ends what works in directories of a run and removes them, with what their servers have made outside of them. */
export async function sweep(directories: readonly string[]): Promise<void> {
  if (directories.length === 0) return
  for (const process of await processesOf(directories)) await kill(process)
  for (const path of await mountsBelow(directories)) spawnSync('umount', ['--lazy', path])
  for (const { name } of await loopsBelow(directories)) spawnSync('losetup', ['--detach', `/dev/${name}`])
  for (const dir of directories) {
    const below = (await readdir(dir).catch(() => [])).map((name) => join(dir, name))
    for (const dataDir of [dir, ...below]) {
      await rm(dataDir, { recursive: true, force: true })
      await sweepMachine(dataDir)
    }
  }
}

/** Removes what a server on a data directory has made on the machine, where that directory is gone. */
export async function sweepMachine(dataDir: string): Promise<void> {
  await removeLeftNetworks(dataDir)
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    await removeLeftGroups(dataDir, [])
    for (const folder of await groupFolders(dataDir)) await rmdir(folder).catch(() => {})
    if ((await groupFolders(dataDir)).length === 0 || performance.now() > end) return
    await delay(LOOK_MS)
  }
}
