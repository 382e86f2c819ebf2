/** The end of a soak: everything is destroyed, and what is there then should not be. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clear } from '../lab.js'
import type { Wrenn } from 'wrenn'

/** What of the data directory has to be empty when there is neither a capsule nor a snapshot. */
const folders = ['capsules', 'snapshots', 'staging']
/** How long removing may go on behind the answers, in milliseconds. */
const REMOVING_MS = 60_000
const LOOK_MS = 250

/** Removes all capsules and templates; resolves when nothing more goes away by itself. */
export async function clearAll(client: Wrenn, dataDir: string): Promise<void> {
  await clear(client)
  // The kernel tells of folders that get empty, but not of those below them that are gone already: it is looked.
  const end = performance.now() + REMOVING_MS
  while (performance.now() < end && (await countIn(dataDir)) > 0) await delay(LOOK_MS)
}

async function countIn(dataDir: string): Promise<number> {
  const names = await Promise.all(folders.map((folder) => readdir(join(dataDir, folder)).catch(() => [])))
  return names.flat().length
}
