/** A folder to try things in, beside the data. */
import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathsOf } from '../paths.js'

/** Gives a fresh folder to `use`, and removes it behind it. */
export async function inScratch<T>(place: string, use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(place, 'wrenn-doctor-'))
  try {
    return await use(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/**
 * Where to try what the data directory's disk does: its `staging`, which every start empties; where that is not there
 * yet, the nearest folder above.
 */
export async function placeOf(dataDir: string): Promise<string> {
  let place = pathsOf(dataDir).staging
  while (!(await isThere(place)) && dirname(place) !== place) place = dirname(place)
  return place
}

/** Whether files can be made in a folder by this user. */
export function isWritable(place: string): Promise<boolean> {
  return access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
