/** What a crash leaves in the directory of a capsule that runs on. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { names } from '../paths.js'
import type { CapsuleRecord } from './record.js'

/**
 * Removes the files that a capsule's record does not name, and gives their names. Its process may still use one: that of
 * a disk that was being made shorter. It has it open, and nobody else needs it.
 */
export async function tidyCapsule(dir: string, { origin, layers }: CapsuleRecord): Promise<string[]> {
  const parts = [...origin.files.map(({ name }) => name), ...layers]
  const known = new Set<string>([names.record, names.run, names.log, ...parts])
  const others = (await readdir(dir)).filter((name) => !known.has(name))
  for (const name of others) await rm(join(dir, name), { recursive: true, force: true })
  return others
}
