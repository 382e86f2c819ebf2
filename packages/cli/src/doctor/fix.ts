/** What can be put right without a risk. */
import {
  fixModes,
  forgetVerdict,
  isStale,
  removeLeftGroups,
  removeLeftNetworks,
  removeOrphans,
} from '@wrenn/host/doctor'
import { inspectStore } from '@wrenn/server'
import { storeFile } from './subject.js'

/**
 * Corrects modes and forgets what was found out before the machine's last start. While no server runs, it also removes
 * what was left half-made and what is left of capsules that are over; no server can start meanwhile. Nothing that
 * anything refers to is touched, and no template.
 *
 * @returns what was done, a line for each thing
 */
export async function fix(dataDir: string): Promise<string[]> {
  const done = await fixModes(dataDir)
  if (await isStale(dataDir)) {
    await forgetVerdict(dataDir)
    done.push('which accelerator works: forgotten, since it is from before the last start of the machine')
  }
  const removed = await inspectStore(storeFile(dataDir), async (store) => {
    if (store.state !== 'sound') return []
    const { facts } = store
    return [
      ...(await removeOrphans(dataDir, facts)),
      ...(await removeLeftGroups(dataDir, facts.capsuleIds)).map((path) => `${path}: removed`),
      ...(await removeLeftNetworks(dataDir)).map((what) => `${what}: removed`),
    ]
  })
  return [...done, ...removed]
}
