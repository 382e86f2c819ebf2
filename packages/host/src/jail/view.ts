/** What of the host's files a jail shows: as little as its program runs with, read-only. */
import { lstat, readlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Where distributions keep libraries, and what says where each is. */
const LIBRARIES = ['/usr/lib', '/usr/lib64', '/lib', '/lib64', '/nix/store', '/gnu/store', '/etc/ld.so.cache']

/** Arguments of bubblewrap that show the system's libraries, as they are laid out here. */
export async function libraryArguments(): Promise<string[]> {
  const found = await Promise.all(
    LIBRARIES.map(async (path) => {
      const stats = await lstat(path).catch(() => undefined)
      if (!stats) return []
      return stats.isSymbolicLink() ? ['--symlink', await readlink(path), path] : readOnly(path)
    }),
  )
  return found.flat()
}

/** Arguments that show a path, and all below it, read-only. */
export function readOnly(path: string): string[] {
  return [...parents(path), '--ro-bind', path, path]
}

/** Arguments that show a path so that its own permissions say what may be written. */
export function asItIs(path: string): string[] {
  return [...parents(path), '--bind', path, path]
}

/** Arguments that show a device. */
export function device(path: string): string[] {
  return [...parents(path), '--dev-bind', path, path]
}

/** The directories on the way to a path, which everybody may pass. */
function parents(path: string): string[] {
  const dir = dirname(path)
  return dir === '/' ? [] : [...parents(dir), '--dir', dir]
}
