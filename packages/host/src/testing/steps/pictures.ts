/**
 * A directory at one instant, kept beside it and put back later. Files that are one by hard links stay one. What is
 * read-only is kept as a link too: nobody writes to it any more, and the time of its last writing, which snapshots know,
 * stays the same. What was not written since an earlier picture is not kept twice.
 */
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  chmodSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { crc32 } from 'node:zlib'
import { isMissing } from '../../fs/durable.js'

interface Entry {
  path: string
  /** Where its content is; absent for a directory. */
  stored?: string
  mode: number
}

export interface Picture {
  entries: Entry[]
  /** The same for directories that hold the same. */
  text: string
}

export class Pictures {
  readonly #digests = new Map<string, number>()

  /** @param store where contents are kept: a directory of the same file system */
  constructor(private readonly store: string) {
    mkdirSync(store, { recursive: true })
  }

  take(dir: string): Picture {
    const [stored, entries, lines] = [new Map<bigint, string>(), [] as Entry[], [] as string[]]
    const walk = (folder: string) => {
      for (const name of namesIn(folder)) {
        const full = join(folder, name)
        // What is removed at this instant by a call under way is there, or not.
        const about = lstatSync(full, { bigint: true, throwIfNoEntry: false })
        if (!about) continue
        const { ino, size, mtimeNs } = about
        const [path, mode] = [relative(dir, full), Number(about.mode) & 0o777]
        if (about.isDirectory()) {
          entries.push({ path, mode })
          lines.push(alike(path))
          walk(full)
          continue
        }
        const content = stored.get(ino) ?? this.#keep(full, { key: `${ino}-${mtimeNs}-${size}-${mode}`, mode })
        if (content === undefined) continue
        stored.set(ino, content)
        entries.push({ path, mode, stored: content })
        lines.push(`${alike(path)} ${mode} ${this.#digest(content)} ${[...stored.keys()].indexOf(ino)}`)
      }
    }
    walk(dir)
    return { entries, text: lines.join('\n') }
  }

  /** Makes the directory what it was. */
  putBack({ entries }: Picture, dir: string): void {
    rmSync(dir, { recursive: true, force: true })
    mkdirSync(dir)
    const made = new Map<string, string>()
    for (const { path, stored, mode } of entries) {
      const to = join(dir, path)
      if (stored === undefined) {
        mkdirSync(to, { mode })
        continue
      }
      const first = made.get(stored)
      if (first) linkSync(first, to)
      else if (mode === 0o444) linkSync(stored, to)
      else {
        copyFileSync(stored, to)
        chmodSync(to, mode)
      }
      made.set(stored, to)
    }
  }

  #keep(path: string, { key, mode }: { key: string; mode: number }): string | undefined {
    const to = join(this.store, key)
    try {
      if (!existsSync(to)) (mode === 0o444 ? linkSync : copyFileSync)(path, to)
      return to
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  #digest(path: string): number {
    const known = this.#digests.get(path)
    if (known !== undefined) return known
    const digest = crc32(readFileSync(path))
    this.#digests.set(path, digest)
    return digest
  }
}

/** What is on its way out has a name by chance. */
function alike(path: string): string {
  return path.replace(/^staging\/\d+-[a-z0-9]+/, 'staging/trash')
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
