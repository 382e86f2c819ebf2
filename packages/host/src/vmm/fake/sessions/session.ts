/** A program that exec started, from its start until it is forgotten. */
import type { KillSignal, ProcessBody, TerminalSize } from '@wrenn/wire'
import { posix } from 'node:path'
import { FakeError } from '../failure.js'
import { programs } from '../programs/index.js'
import type { Program, Run, Surroundings } from '../programs/types.js'
import { Log, type LogState } from './log.js'
import { Stdin } from './stdin.js'
import { Terminal } from './terminal.js'

export interface StartProgram {
  cmd: string
  args?: string[] | undefined
  envs?: Record<string, string> | undefined
  cwd?: string | undefined
  tag?: string | undefined
  detached?: boolean | undefined
  stdin?: boolean | undefined
  on_disconnect?: 'kill' | 'keep' | undefined
  pty?: TerminalSize | undefined
  log_bytes?: number | undefined
  timeout_ms?: number | undefined
}

/** A session as plain JSON. */
export interface SessionState {
  id: string
  pid: number
  spec: StartProgram
  log: LogState
  hasStdin: boolean
}

export interface Exited {
  exit_code: number
  signal?: number
  timed_out: boolean
  duration_ms: number
}

const SIGNALS: Record<KillSignal, number> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 }

export class Session {
  readonly log: Log
  /** Never rejects. */
  readonly exited: Promise<Exited>
  readonly #stdin: Stdin
  readonly #terminal: Terminal | undefined
  readonly #kill = new AbortController()

  /** Starts the program. @param state of a capture, in whose middle it goes on */
  constructor(
    readonly about: Pick<SessionState, 'id' | 'pid' | 'spec'>,
    surroundings: Surroundings,
    state?: SessionState,
  ) {
    const { spec } = about
    const program = programs[posix.basename(spec.cmd)]
    if (!program) throw new FakeError('not_found', `${spec.cmd}: no such program in PATH.`)
    const cwd = spec.cwd ?? '/root'
    if (!surroundings.tree.isDirectory(cwd)) throw new FakeError('not_found', `${cwd} does not exist.`)
    this.log = new Log(spec.log_bytes, state?.log)
    this.#stdin = new Stdin(state?.hasStdin ?? (spec.pty !== undefined || (spec.stdin ?? !spec.detached)))
    const interrupt = () => this.#kill.abort('SIGINT')
    this.#terminal = spec.pty && new Terminal(spec.pty, { stdin: this.#stdin, show: this.#writer('stdout'), interrupt })
    this.exited = this.#run(program, { ...surroundings, cwd, isResumed: state !== undefined })
  }

  get body(): ProcessBody {
    const { id, pid, spec } = this.about
    const { tag, cmd, args = [], pty } = spec
    return { id, pid, ...(tag ? { tag } : {}), cmd, args, ...(pty ? { pty: true } : {}) }
  }

  /** Whether it goes on without the stream that started it. */
  get isKept(): boolean {
    const { detached, on_disconnect, pty } = this.about.spec
    return detached || (on_disconnect ?? (pty ? 'keep' : 'kill')) === 'keep'
  }

  get state(): SessionState {
    return { ...this.about, log: this.log.state, hasStdin: this.#stdin.isOpen }
  }

  signal(how: KillSignal): void {
    if (how === 'SIGINT' && this.#terminal) this.#terminal.onInterrupt()
    else this.#kill.abort(how)
  }

  async write(data: Buffer): Promise<void> {
    await (this.#terminal ? this.#terminal.type(data) : this.#stdin.write(data))
  }

  /** @throws {FakeError} `closed` when nothing can be written any more */
  checkStdin(): void {
    if (!this.#stdin.isOpen) throw new FakeError('closed', 'The stdin of the program is closed.')
  }

  endStdin(): void {
    if (this.#terminal) throw new FakeError('invalid', 'The stdin of a terminal has no end.')
    this.#stdin.end()
  }

  resize(size: TerminalSize): void {
    if (!this.#terminal) throw new FakeError('invalid', 'The program has no terminal.')
    this.#terminal.resize(size)
  }

  #writer(kind: 'stdout' | 'stderr'): Run['out'] {
    return async (data) => {
      const text = this.#terminal ? data.toString().replaceAll('\n', '\r\n') : data
      await this.log.write(this.#terminal ? 'stdout' : kind, Buffer.from(text as string))
      // Who prints without end leaves others their turn.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async #run(program: Program, where: Surroundings & Pick<Run, 'cwd' | 'isResumed'>): Promise<Exited> {
    const { args = [], envs, timeout_ms } = this.about.spec
    const { signal } = this.#kill
    const started = performance.now()
    const timer = timeout_ms === undefined ? undefined : setTimeout(() => this.#kill.abort('timeout'), timeout_ms)
    const killed = new Promise<number>((resolve) => signal.addEventListener('abort', () => resolve(-1), { once: true }))
    const work = program({
      ...where,
      ...{
        args,
        env: { HOME: '/root', PATH: '/bin', ...where.identity(), ...envs },
        killed: signal,
        terminal: this.#terminal,
      },
      stdin: (until) => this.#stdin.read(until),
      out: this.#writer('stdout'),
      err: this.#writer('stderr'),
    })
    const exit_code = await Promise.race([work.catch(() => 1), killed])
    clearTimeout(timer)
    const reason = signal.aborted ? (signal.reason as KillSignal | 'timeout') : undefined
    // What the program has still open goes with it.
    this.#kill.abort(reason ?? 'SIGKILL')
    this.#stdin.end()
    this.log.close()
    const duration_ms = Math.round(performance.now() - started)
    if (!reason) return { exit_code, timed_out: false, duration_ms }
    const isLate = reason === 'timeout'
    return { exit_code: -1, signal: SIGNALS[isLate ? 'SIGKILL' : reason], timed_out: isLate, duration_ms }
  }
}
