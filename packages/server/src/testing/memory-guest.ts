import type { Duplex } from 'node:stream'
import {
  Problem,
  type ExecChunk,
  type ExecSession,
  type ExecSpec,
  type FileContent,
  type FileEntry,
  type Guest,
  type KillSignal,
  type ProcessBody,
  type SessionRef,
} from '@wrenn/wire'
import { openTunnel } from './tunnel.js'

export type Program = (spec: ExecSpec, signal: AbortSignal) => AsyncGenerator<ExecChunk>
export type Reader = () => FileContent

/** What a capsule holds. */
export interface Contents {
  files: Map<string, Buffer>
  /** Programs by their name. */
  programs: Record<string, Program>
  /** Files that are read in a way of their own. */
  readers: Record<string, Reader>
  /** What listens: which port of this machine is which port of the guest. */
  ports: Record<number, number>
  processes: ProcessBody[]
}

/** The inside of a capsule, without one. */
export class MemoryGuest implements Guest {
  /** What `spawn` was told, to the letter. */
  readonly spawned: ExecSpec[] = []
  /** What `connect` opened, until it is closed. */
  readonly tunnels = new Set<Duplex>()

  constructor(private readonly contents: Contents) {}

  async exec(spec: ExecSpec, signal: AbortSignal): Promise<ExecSession> {
    const program = this.contents.programs[spec.cmd]
    if (!program) throw new Problem('not_found', `There is no program "${spec.cmd}".`)
    return { id: 'exec-00000000000000aa', pid: 100, output: program(spec, signal) }
  }

  async spawn(spec: ExecSpec): Promise<SessionRef & { tag: string }> {
    this.spawned.push(spec)
    const started = { id: 'exec-00000000000000bb', pid: 200, tag: spec.tag ?? 'none' }
    this.contents.processes.push({ ...started, cmd: spec.cmd })
    return started
  }

  async processes(): Promise<ProcessBody[]> {
    return this.contents.processes
  }

  async kill(selector: string, _how: KillSignal): Promise<void> {
    const left = this.contents.processes.filter(({ pid, tag }) => String(pid) !== selector && tag !== selector)
    if (left.length === this.contents.processes.length) throw new Problem('not_found', 'There is no such process.')
    this.contents.processes = left
  }

  /** Like the real one: a file appears when all of it is there. */
  async writeFile(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) {
      signal.throwIfAborted()
      parts.push(chunk)
    }
    signal.throwIfAborted()
    this.contents.files.set(path, Buffer.concat(parts))
  }

  async readFile(path: string): Promise<FileContent> {
    const reader = this.contents.readers[path]
    if (reader) return reader()
    const content = this.#content(path)
    return { size: content.length, chunks: once(content) }
  }

  async listFiles(path: string): Promise<FileEntry[]> {
    return [...this.contents.files.keys()].filter((one) => one.startsWith(`${path}/`)).map(entry)
  }

  async makeDir(path: string): Promise<FileEntry> {
    return { ...entry(path), type: 'directory' }
  }

  async remove(path: string): Promise<void> {
    this.#content(path)
    this.contents.files.delete(path)
  }

  attach = unlike
  writeStdin = unlike
  endStdin = unlike
  resize = unlike
  stat = unlike
  move = unlike
  readTar = unlike
  writeTar = unlike
  watch = unlike

  async connect(port: number, signal: AbortSignal): Promise<Duplex> {
    const local = this.contents.ports[port]
    if (local === undefined) throw nothingListens(port)
    const tunnel = await openTunnel(local, signal).catch(() => Promise.reject(nothingListens(port)))
    this.tunnels.add(tunnel)
    tunnel.once('close', () => this.tunnels.delete(tunnel))
    return tunnel
  }

  #content(path: string): Buffer {
    const content = this.contents.files.get(path)
    if (!content) throw new Problem('not_found', `There is no "${path}".`)
    return content
  }
}

function nothingListens(port: number): Problem {
  return new Problem('agent_error', `Nothing listens on port ${port}.`)
}

async function unlike(): Promise<never> {
  throw new Problem('internal_error', 'This double cannot do that.')
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

function entry(path: string): FileEntry {
  const name = path.split('/').at(-1)!
  const owned = { mode: 0o644, permissions: '-rw-r--r--', owner: 'root', group: 'root', modified_at: 1 }
  return { name, path, type: 'file', size: 0, ...owned }
}
