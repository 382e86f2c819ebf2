/** The fake guest's process table. */
import { randomHex, type KillSignal, type ProcessBody } from '@wrenn/wire'
import { posix } from 'node:path'
import { programs, type Run } from './programs.js'
import { FakeError, type Tree } from './tree.js'

export interface StartProcess {
  cmd: string
  args: string[]
  envs?: Record<string, string> | undefined
  cwd?: string | undefined
  tag?: string | undefined
  detached?: boolean | undefined
  timeout_ms?: number | undefined
}

export interface Exited {
  exit_code: number
  signal?: number
  timed_out: boolean
  duration_ms: number
}

export type Streams = Pick<Run, 'stdin' | 'out' | 'err'>

interface Process extends ProcessBody {
  detached: boolean
  kill: AbortController
}

const SIGNALS: Record<KillSignal, number> = { SIGKILL: 9, SIGTERM: 15 }
const nowhere: Streams = {
  stdin: (async function* () {})(),
  out: () => new Promise((resolve) => setImmediate(resolve)),
  err: () => Promise.resolve(),
}

export class Processes {
  readonly #running = new Map<number, Process>()
  #lastPid = 100

  constructor(
    private readonly tree: Tree,
    private readonly hostname: () => string,
  ) {}

  list(): ProcessBody[] {
    return [...this.#running.values()].map(({ pid, tag, cmd, args }) => ({ pid, ...(tag ? { tag } : {}), cmd, args }))
  }

  /** Starts a program; `exited` never rejects. Without streams nobody reads it and stdin is empty. */
  start(
    spec: StartProcess,
    streams: Streams = nowhere,
  ): { pid: number; tag: string | undefined; exited: Promise<Exited> } {
    const program = programs[posix.basename(spec.cmd)]
    if (!program) throw new FakeError('not_found', `${spec.cmd}: no such program in PATH.`)
    const cwd = spec.cwd ?? '/root'
    if (!this.tree.isDirectory(cwd)) throw new FakeError('not_found', `${cwd} does not exist.`)
    const tag = spec.tag ?? (spec.detached ? `proc-${randomHex(4)}` : undefined)
    if (tag && this.list().some((other) => other.tag === tag)) throw new FakeError('exists', `"${tag}" runs already.`)
    const pid = ++this.#lastPid
    const kill = new AbortController()
    this.#running.set(pid, { pid, tag, cmd: spec.cmd, args: spec.args, detached: spec.detached ?? false, kill })

    const run: Run = {
      ...streams,
      ...{ args: spec.args, cwd, tree: this.tree, hostname: this.hostname(), killed: kill.signal },
      env: { HOME: '/root', PATH: '/bin', ...spec.envs },
    }
    return { pid, tag, exited: this.#finish(pid, program(run), { kill, timeoutMs: spec.timeout_ms }) }
  }

  /** Signals a process by pid or tag. */
  signal(selector: string, how: KillSignal): void {
    const found = [...this.#running.values()].find(({ pid, tag }) => String(pid) === selector || tag === selector)
    if (!found) throw new FakeError('not_found', `No process "${selector}" runs.`)
    found.kill.abort(how)
  }

  /** Ends all, or those that are attached. */
  end(which: 'all' | 'attached'): void {
    for (const { detached, kill } of this.#running.values()) if (which === 'all' || !detached) kill.abort('SIGKILL')
  }

  /** What of the table a capture keeps. */
  detached(): StartProcess[] {
    const kept = [...this.#running.values()].filter(({ detached }) => detached)
    return kept.map(({ cmd, args, tag }) => ({ cmd, args: args ?? [], tag, detached: true }))
  }

  async #finish(pid: number, work: Promise<number>, { kill, timeoutMs }: Limits): Promise<Exited> {
    const started = performance.now()
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => kill.abort('timeout'), timeoutMs)
    const killed = new Promise<number>((resolve) =>
      kill.signal.addEventListener('abort', () => resolve(-1), { once: true }),
    )
    const exit_code = await Promise.race([work.catch(() => (kill.signal.aborted ? -1 : 1)), killed])
    clearTimeout(timer)
    this.#running.delete(pid)
    const reason = kill.signal.aborted ? (kill.signal.reason as KillSignal | 'timeout') : undefined
    const duration_ms = Math.round(performance.now() - started)
    if (!reason) return { exit_code, timed_out: false, duration_ms }
    return {
      exit_code: -1,
      signal: reason === 'timeout' ? 9 : SIGNALS[reason],
      timed_out: reason === 'timeout',
      duration_ms,
    }
  }
}

interface Limits {
  kill: AbortController
  timeoutMs: number | undefined
}
