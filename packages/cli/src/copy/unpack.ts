/** Lays out an archive that a stranger may have made: nothing is written outside the directory, nor through a link. */
import { createWriteStream } from 'node:fs'
import { chmod, link, lstat, mkdir, rm, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Extract, type Header } from 'tar-stream'

type Entry = Extract extends AsyncIterable<infer One> ? One : never

/** Read, write, execute. What would let a program run as somebody else is not taken from a capsule. */
const PERMISSIONS = 0o777

/**
 * Lays a tar archive out below a directory, which is made. Links are laid out as they are, wherever they point; other kinds
 * than files, directories and links are passed over. What is in the place of a file or a link is replaced.
 * @throws Error when a name leads out of the directory
 */
export async function unpackInto(root: string, archive: Readable, signal: AbortSignal): Promise<void> {
  await mkdir(root, { recursive: true })
  const tree = new Tree(root)
  const entries = extract()
  const broken = new AbortController()
  const fed = pipeline(archive, entries, { signal }).catch((error: unknown) => broken.abort(error))
  try {
    for await (const entry of entries) {
      // An entry does not learn by itself that its archive has broken off.
      await tree.put(entry, broken.signal)
      entry.resume()
    }
    await fed
    broken.signal.throwIfAborted()
  } catch (error) {
    throw (error as Error).name === 'AbortError' ? (broken.signal.reason ?? error) : error
  } finally {
    archive.destroy()
    await fed
  }
  await tree.finish()
}

class Tree {
  /** Directories that are known to be no links; none is ever replaced. */
  readonly #real = new Set<string>([''])
  /** What directories are in the end: before, they have to be written into. */
  readonly #finally: { path: string; mode: number; mtime: Date }[] = []

  constructor(private readonly root: string) {}

  async put(entry: Entry, signal: AbortSignal): Promise<void> {
    const { header } = entry
    const parts = partsOf(header.name)
    if (parts.length === 0) return
    const path = join(this.root, ...parts)
    const mode = header.mode & PERMISSIONS
    if (header.type === 'directory') {
      await this.#makeDirectories(parts)
      this.#finally.push({ path, mode, mtime: header.mtime })
      return
    }
    if (header.type !== 'file' && header.type !== 'symlink' && header.type !== 'link') return
    await this.#makeDirectories(parts.slice(0, -1))
    // Fails on a directory, which stays.
    await rm(path, { force: true })
    if (header.type === 'symlink') await symlink(header.linkname, path)
    else if (header.type === 'link') await this.#link(header, path)
    else {
      // Exclusive: a link that appears in the meantime is not followed.
      await pipeline(entry, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal })
      await chmod(path, mode)
      await utimes(path, new Date(), header.mtime)
    }
  }

  /** Gives directories their modes, those inside first. */
  async finish(): Promise<void> {
    for (const { path, mode, mtime } of this.#finally.reverse()) {
      await utimes(path, new Date(), mtime)
      await chmod(path, mode)
    }
  }

  async #link({ linkname }: Header, path: string): Promise<void> {
    const parts = partsOf(linkname)
    await this.#makeDirectories(parts.slice(0, -1))
    await link(join(this.root, ...parts), path)
  }

  async #makeDirectories(parts: string[]): Promise<void> {
    for (let depth = 1; depth <= parts.length; depth++) {
      const name = parts.slice(0, depth).join('/')
      if (this.#real.has(name)) continue
      const path = join(this.root, name)
      await mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
      if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is in the way: it is no directory.`)
      this.#real.add(name)
    }
  }
}

function partsOf(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw new Error(`The archive holds ${JSON.stringify(name)}, which leads out of the directory.`)
  return parts
}
