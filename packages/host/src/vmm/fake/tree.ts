/** The fake guest's file system: in memory, with the agent's rules for paths and errors. */
import type { FileEntry } from '@wrenn/wire'
import { posix } from 'node:path'

/** A failure with one of the agent's error codes. */
export class FakeError extends Error {
  constructor(
    readonly code: 'invalid' | 'not_found' | 'exists' | 'is_directory' | 'not_directory' | 'not_executable',
    message: string,
  ) {
    super(message)
  }
}

/** `null` is a directory; a file is its content in base64, so that the whole is plain JSON. */
export type TreeState = Record<string, string | null>

/** What is there when nothing was ever written. */
export const emptyTree: TreeState = { '/': null, '/root': null, '/tmp': null, '/dev': null, '/dev/shm': null }

const MODE = { file: 0o644, directory: 0o755 }

export class Tree {
  readonly #nodes: Map<string, string | null>

  constructor(state: TreeState = emptyTree) {
    this.#nodes = new Map(Object.entries(state))
  }

  get state(): TreeState {
    return Object.fromEntries(this.#nodes)
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
    this.#nodes.set(path, content.toString('base64'))
  }

  makeDir(given: string): FileEntry {
    const path = absolute(given)
    if (this.#nodes.has(path)) throw new FakeError('exists', `${path} exists.`)
    this.#makeParents(path)
    this.#nodes.set(path, null)
    return this.#entry(path)
  }

  remove(given: string): void {
    const path = absolute(given)
    if (path === '/') throw new FakeError('invalid', 'The root directory cannot be removed.')
    this.#node(path)
    for (const key of [...this.#nodes.keys()]) if (key === path || key.startsWith(path + '/')) this.#nodes.delete(key)
  }

  list(given: string, depth: number): FileEntry[] {
    const path = absolute(given)
    if (this.#node(path) !== null) throw new FakeError('not_directory', `${path} is not a directory.`)
    const prefix = path === '/' ? '/' : path + '/'
    const within = [...this.#nodes.keys()].filter((key) => key !== '/' && key.startsWith(prefix))
    const shown = within.filter((key) => key.slice(prefix.length).split('/').length <= Math.max(1, depth))
    return shown.sort().map((key) => this.#entry(key))
  }

  isDirectory(given: string): boolean {
    return this.#nodes.get(absolute(given)) === null
  }

  #node(path: string): string | null {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new FakeError('not_found', `${path} does not exist.`)
    return node
  }

  #makeParents(path: string): void {
    for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
      const parent = path.slice(0, at)
      const node = this.#nodes.get(parent)
      if (typeof node === 'string') throw new FakeError('not_directory', `${parent} is not a directory.`)
      this.#nodes.set(parent, null)
    }
  }

  #entry(path: string): FileEntry {
    const node = this.#nodes.get(path)
    const type = node === null ? 'directory' : 'file'
    const size = typeof node === 'string' ? Buffer.from(node, 'base64').length : 4096
    const permissions = type === 'file' ? '-rw-r--r--' : 'drwxr-xr-x'
    const owner = { owner: 'root', group: 'root', modified_at: Math.floor(Date.now() / 1000) }
    return { name: posix.basename(path), path, type, size, mode: MODE[type], permissions, ...owner }
  }
}

/** `~` and relative paths mean /root. */
function absolute(path: string): string {
  const whole = posix.resolve('/root', path === '~' ? '.' : path.replace(/^~\//, ''))
  return whole
}
