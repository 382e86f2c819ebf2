/** Writing so that a crash or a power cut leaves the old thing or the new one, never half of it. */
import { open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** stat tells what a file occupies in units of this many bytes. */
export const BLOCK = 512

/** fsync of a file or a directory. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a file and syncs it; durable once its directory is synced too. */
export async function writeSynced(path: string, data: string | Uint8Array): Promise<void> {
  const handle = await open(path, 'w', 0o644)
  try {
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Replaces a file's content in one step: readers see the old or the new. When it fails, it may be the one or the other. */
export async function replaceFile(path: string, data: string): Promise<void> {
  await swap(path, (next) => writeSynced(next, data))
  await sync(dirname(path))
}

/** As `replaceFile`, for what means nothing after a power cut: whoever is killed leaves the old or the new. */
export async function swapFile(path: string, data: string): Promise<void> {
  await swap(path, (next) => writeFile(next, data, { mode: 0o644 }))
}

async function swap(path: string, write: (next: string) => Promise<void>): Promise<void> {
  const next = `${path}.next`
  try {
    await write(next)
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true }).catch(() => {})
    throw error
  }
}

/** Moves a finished directory, whose files are synced already, to its final name, durably. */
export async function publish(staged: string, final: string): Promise<void> {
  await sync(staged)
  await place(staged, final)
}

/** As `publish`, of a directory that is synced itself. */
export async function place(staged: string, final: string): Promise<void> {
  await rename(staged, final)
  await sync(dirname(final))
}

/** Removes a directory: first out of sight by a rename into `trash`, so that it is never seen half-removed. */
export async function removeDirectory(path: string, trash: string): Promise<void> {
  const hidden = join(trash, `${Date.now()}-${Math.random().toString(36).slice(2)}`)
  try {
    await rename(path, hidden)
  } catch (error) {
    if (isMissing(error)) return
    if (!isFull(error)) throw error
    // A full disk may have no room for another name.
    await rm(path, { recursive: true, force: true })
    return
  }
  await rm(hidden, { recursive: true, force: true })
}

/** Whether an error says that there is no space left. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String((error as NodeJS.ErrnoException).code))
}

/** The entries of a directory; an absent directory has none. */
export async function entries(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Whether a file-system error says that the thing is not there. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
