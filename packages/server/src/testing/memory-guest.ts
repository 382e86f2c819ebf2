import type { Duplex } from 'node:stream'
import {
  Problem,
  type Attachment,
  type ExecSession,
  type ExecSpec,
  type FileChange,
  type FileContent,
  type FileEntry,
  type Guest,
  type KillSignal,
  type OutputStart,
  type ProcessBody,
  type SessionRef,
  type TerminalSize,
} from '@wrenn/wire'
import { openTunnel } from './tunnel.js'
import { MemorySession, type Program } from './memory-session.js'

export type { Program } from './memory-session.js'
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
  sessions: MemorySession[]
}

type Change = (change: FileChange) => void

/** The inside of a capsule, without one. */
export class MemoryGuest implements Guest {
  /** What `spawn` was told, to the letter. */
  readonly spawned: ExecSpec[] = []
  /** What `connect` opened, until it is closed. */
  readonly tunnels = new Set<Duplex>()
  readonly #watchers = new Set<Change>()

  constructor(private readonly contents: Contents) {}

  /** The newest session. */
  get latest(): MemorySession {
    return this.contents.sessions.at(-1)!
  }

  async exec(spec: ExecSpec, signal: AbortSignal): Promise<ExecSession> {
    const program = this.contents.programs[spec.cmd]
    if (!program) throw new Problem('not_found', `There is no program "${spec.cmd}".`)
    const session = this.#start(spec, program)
    if (spec.onDisconnect !== 'keep') signal.addEventListener('abort', () => session.kill())
    return session.read({}, signal)
  }

  async spawn(spec: ExecSpec): Promise<SessionRef & { tag: string }> {
    this.spawned.push(spec)
    const session = this.#start(spec, this.contents.programs[spec.cmd] ?? idle)
    return { ...session.ref, tag: spec.tag ?? 'none' }
  }

  async processes(): Promise<ProcessBody[]> {
    return this.contents.sessions
      .filter(({ hasEnded }) => !hasEnded)
      .map(({ ref: { id, pid, tag }, spec: { cmd, pty } }) => ({
        id,
        pid,
        ...(tag === undefined ? {} : { tag }),
        cmd,
        ...(pty ? { pty: true } : {}),
      }))
  }

  async attach(selector: string, start: OutputStart, signal: AbortSignal): Promise<Attachment> {
    return this.#find(selector).read(start, signal)
  }

  async writeStdin(selector: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.#running(selector).type(chunks, signal)
  }

  async endStdin(selector: string): Promise<void> {
    this.#running(selector).endStdin()
  }

  async resize(selector: string, size: TerminalSize): Promise<void> {
    const session = this.#running(selector)
    if (!session.spec.pty) throw new Problem('invalid_request', 'It has no terminal.')
    session.sizes.push(size)
  }

  async kill(selector: string, _how: KillSignal): Promise<void> {
    this.#running(selector).kill()
  }

  /** Like the real one: a file appears when all of it is there. */
  async writeFile(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) {
      signal.throwIfAborted()
      parts.push(chunk)
    }
    signal.throwIfAborted()
    this.#tell({ type: this.contents.files.has(path) ? 'modified' : 'created', path })
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

  async stat(path: string): Promise<FileEntry> {
    this.#content(path)
    return entry(path)
  }

  async makeDir(path: string): Promise<FileEntry> {
    return { ...entry(path), type: 'directory' }
  }

  async move({ from, to, overwrite }: { from: string; to: string; overwrite: boolean }): Promise<FileEntry> {
    const content = this.#content(from)
    if (this.contents.files.has(to) && !overwrite) throw new Problem('conflict', `There is something at "${to}".`)
    this.contents.files.delete(from)
    this.contents.files.set(to, content)
    this.#tell({ type: 'moved', path: to, from })
    return entry(to)
  }

  async remove(path: string): Promise<void> {
    this.#content(path)
    this.contents.files.delete(path)
    this.#tell({ type: 'removed', path })
  }

  /** An archive here is a file, whole. */
  async readTar(path: string): Promise<AsyncIterable<Uint8Array>> {
    return once(this.#content(path))
  }

  writeTar(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    return this.writeFile(path, chunks, signal)
  }

  async watch(_path: string, _recursive: boolean, signal: AbortSignal): Promise<AsyncIterable<FileChange>> {
    const changes: FileChange[] = []
    let wake = () => {}
    const watcher: Change = (change) => {
      changes.push(change)
      wake()
    }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => {
      this.#watchers.delete(watcher)
      wake()
    })
    return (async function* () {
      while (!signal.aborted) {
        yield* changes.splice(0)
        if (changes.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
      }
    })()
  }

  async connect(port: number, signal: AbortSignal): Promise<Duplex> {
    const local = this.contents.ports[port]
    if (local === undefined) throw nothingListens(port)
    const tunnel = await openTunnel(local, signal).catch(() => Promise.reject(nothingListens(port)))
    this.tunnels.add(tunnel)
    tunnel.once('close', () => this.tunnels.delete(tunnel))
    return tunnel
  }

  #tell(change: FileChange): void {
    for (const watcher of this.#watchers) watcher(change)
  }

  #start(spec: ExecSpec, program: Program): MemorySession {
    const { sessions } = this.contents
    const number = sessions.length
    const id = `exec-${number.toString(16).padStart(16, '0')}`
    const session = new MemorySession({ id, pid: 100 + number, tag: spec.tag }, spec, program)
    sessions.push(session)
    return session
  }

  #find(selector: string): MemorySession {
    const session = this.contents.sessions.findLast(
      ({ ref: { id, pid, tag } }) => id === selector || String(pid) === selector || tag === selector,
    )
    if (!session) throw new Problem('not_found', 'There is no such process.')
    return session
  }

  #running(selector: string): MemorySession {
    const session = this.#find(selector)
    if (session.hasEnded) throw new Problem('not_found', 'There is no such process.')
    return session
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

const idle: Program = async function* (_, signal) {
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
  yield { type: 'exit', exitCode: -1, timedOut: false, durationMs: 1 }
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content
}

function entry(path: string): FileEntry {
  const name = path.split('/').at(-1)!
  const owned = { mode: 0o644, permissions: '-rw-r--r--', owner: 'root', group: 'root', modified_at: 1 }
  return { name, path, type: 'file', size: 0, ...owned }
}
