/** The fake guest's file system: in memory, with the agent's rules for paths and errors. */
import type { FileChange, FileEntry } from '@wrenn/wire'
import { posix } from 'node:path'
import { FakeError } from '../failure.js'

/** `null` is a directory; a file is its content in base64, so that the whole is plain JSON. */
export type TreeState = Record<string, string | null>

/** What is there when nothing was ever written. */
export const emptyTree: TreeState = { '/': null, '/root': null, '/tmp': null, '/dev': null, '/dev/shm': null }

const MODE = { file: 0o644, directory: 0o755 }

type OnChange = (change: FileChange) => void

export class Tree {
  readonly #nodes: Map<string, string | null>
  readonly #listeners = new Set<OnChange>()

  constructor(state: TreeState = emptyTree) {
    this.#nodes = new Map(Object.entries(state))
  }

  get state(): TreeState {
    return Object.fromEntries(this.#nodes)
  }

  /** Registers what is told of each change; what is returned ends that. */
  onChange(listener: OnChange): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  read(given: string): Buffer {
    const path = absolute(given)
    const node = this.#node(path)
    if (node === null) throw new FakeError('is_directory', `${path} is a directory.`)
    return Buffer.from(node, 'base64')
  }

  write(given: string, content: Buffer): void {
    const path = absolute(given)
    if (this.#nodes.get(path) === null) throw new FakeError('is_directory', `${path} is a directory.`)
    this.#makeParents(path)
    const type = this.#nodes.has(path) ? 'modified' : 'created'
    this.#nodes.set(path, content.toString('base64'))
    this.#tell({ type, path })
  }

  makeDir(given: string): FileEntry {
    const path = absolute(given)
    if (this.#nodes.has(path)) throw new FakeError('exists', `${path} exists.`)
    this.makeDirs(path)
    return this.stat(path)
  }

  /** Makes a directory, with its parents, unless it is there. */
  makeDirs(given: string): void {
    const path = absolute(given)
    this.#makeParents(posix.join(path, 'x'))
  }

  remove(given: string): void {
    const path = absolute(given)
    if (path === '/') throw new FakeError('invalid', 'The root directory cannot be removed.')
    this.#node(path)
    for (const key of this.#below(path).reverse()) {
      this.#nodes.delete(key)
      this.#tell({ type: 'removed', path: key })
    }
  }

  move(given: string, to: string, overwrite: boolean): FileEntry {
    const [from, path] = [absolute(given), absolute(to)]
    this.#node(from)
    if (path === from || path.startsWith(`${from}/`) || from.startsWith(`${path}/`))
      throw new FakeError('invalid', `${from} cannot be moved to ${path}.`)
    if (this.#nodes.has(path) && !overwrite) throw new FakeError('exists', `${path} exists.`)
    this.#makeParents(path)
    for (const key of this.#below(path)) this.#nodes.delete(key)
    for (const key of this.#below(from)) {
      this.#nodes.set(path + key.slice(from.length), this.#nodes.get(key)!)
      this.#nodes.delete(key)
    }
    this.#tell({ type: 'moved', path, from })
    return this.stat(path)
  }

  list(given: string, depth: number): FileEntry[] {
    const path = absolute(given)
    if (this.#node(path) !== null) throw new FakeError('not_directory', `${path} is not a directory.`)
    const prefix = path === '/' ? '/' : path + '/'
    const within = [...this.#nodes.keys()].filter((key) => key !== '/' && key.startsWith(prefix))
    const shown = within.filter((key) => key.slice(prefix.length).split('/').length <= Math.max(1, depth))
    return shown.sort().map((key) => this.stat(key))
  }

  isDirectory(given: string): boolean {
    return this.#nodes.get(absolute(given)) === null
  }

  stat(given: string): FileEntry {
    const path = absolute(given)
    const node = this.#node(path)
    const type = node === null ? 'directory' : 'file'
    const size = typeof node === 'string' ? Buffer.from(node, 'base64').length : 4096
    const permissions = type === 'file' ? '-rw-r--r--' : 'drwxr-xr-x'
    const owner = { owner: 'root', group: 'root', modified_at: Math.floor(Date.now() / 1000) }
    return { name: posix.basename(path), path, type, size, mode: MODE[type], permissions, ...owner }
  }

  #node(path: string): string | null {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new FakeError('not_found', `${path} does not exist.`)
    return node
  }

  /** A path and all that it holds. */
  #below(path: string): string[] {
    return [...this.#nodes.keys()].filter((key) => key === path || key.startsWith(`${path}/`)).sort()
  }

  #makeParents(path: string): void {
    for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
      const parent = path.slice(0, at)
      const node = this.#nodes.get(parent)
      if (typeof node === 'string') throw new FakeError('not_directory', `${parent} is not a directory.`)
      if (node === null) continue
      this.#nodes.set(parent, null)
      this.#tell({ type: 'created', path: parent })
    }
  }

  #tell(change: FileChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

/** `~` and relative paths mean /root. */
export function absolute(path: string): string {
  return posix.resolve('/root', path === '~' ? '.' : path.replace(/^~\//, ''))
}
