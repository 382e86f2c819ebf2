/** Paths that are short enough for sockets, wherever a data directory is. */
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

export interface ShortPath {
  path: string
  /** Ends the path's being one. */
  close(): Promise<void>
}

/**
 * Another path of the same file, through its directory, which is kept open meanwhile. The address of a Unix socket has room for a path of
 * 107 bytes (unix(7)); longer ones are cut without a word.
 */
export async function shortPath(path: string): Promise<ShortPath> {
  const directory: FileHandle = await open(dirname(path), 'r')
  return { path: `/proc/self/fd/${directory.fd}/${basename(path)}`, close: () => directory.close() }
}
