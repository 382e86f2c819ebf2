import type { ExecStartedBody, KillSignal } from '@wrenn/wire'
import { BackgroundProcess, type ProcessNames } from './background.js'
import { outputOf, processPath, follow, type OutputOptions, type Place } from './follow.js'
import type { MakeOptions, RequestOptions } from './transport.js'

export interface PtyOptions extends MakeOptions {
  /** The program, looked up in PATH. Default /bin/bash. */
  cmd?: string
  args?: string[]
  /** The width in characters. Default 80. */
  cols?: number
  /** The height in lines. Default 24. */
  rows?: number
  envs?: Record<string, string>
  /** Default /root. */
  cwd?: string
  /** A name to come back by. Default: one is made up. */
  tag?: string
  /** Ends this side: reading, and writes that are under way. The program goes on. */
  signal?: AbortSignal | undefined
}

/**
 * A program in a terminal. It is iterated for what it prints, as bytes, and survives lost connections; leaving the loop
 * leaves it running, and the next loop goes on from there.
 *
 * ```ts
 * const pty = await capsule.pty({ cols: 120, rows: 40 })
 * await pty.write('ls\nexit\n')
 * for await (const bytes of pty) process.stdout.write(bytes)
 * console.log(await pty.exitCode)
 * ```
 */
export class Pty implements AsyncIterable<Uint8Array>, ProcessNames {
  readonly id: string
  readonly pid: number
  readonly tag: string
  readonly #place: Place
  readonly #process: BackgroundProcess
  readonly #signal: AbortSignal | undefined
  #at: Pick<OutputOptions, 'from' | 'tail'>
  #exitCode: Promise<number> | undefined

  /** Made by `capsule.pty` and `capsule.ptyConnect`. */
  constructor(place: Place, { id, pid, tag }: ProcessNames, { signal, from, tail }: OutputOptions) {
    this.id = id
    this.pid = pid
    this.tag = tag
    this.#place = place
    this.#process = new BackgroundProcess(place, this, signal)
    this.#signal = signal
    this.#at = { from, tail }
  }

  /** Resolves when the program has ended; -1 when a signal ended it. Known for about ten minutes after its end. */
  get exitCode(): Promise<number> {
    return (this.#exitCode ??= this.#process.wait({ signal: this.#signal }).then(({ exitCode }) => exitCode))
  }

  /** What it prints from where it was left, until it ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const options = { ...this.#at, signal: this.#signal }
    for await (const event of follow(this.#place, outputOf(this.#place, this.id, options), options)) {
      if (event.type === 'exit') this.#exitCode ??= Promise.resolve(event.exitCode)
      if (event.type !== 'stdout' && event.type !== 'stderr') continue
      this.#at = { from: event.offset }
      yield event.data
    }
  }

  /**
   * Types; Ctrl-C is the character 3. In order, and what is typed while a request is under way goes together with the next.
   * @throws {WrennNotFoundError} when it has ended
   */
  write(data: string | Uint8Array): Promise<void> {
    return this.#process.write(data)
  }

  /** Makes it so many characters wide and high. */
  resize({ cols, rows }: { cols: number; rows: number }, { signal }: RequestOptions = {}): Promise<void> {
    const path = `${processPath(this.#place.path, this.id)}/resize`
    return this.#place.transport.done({ method: 'POST', path, json: { cols, rows }, repeatable: true, signal })
  }

  /** Signals the program and all that it started. @throws {WrennNotFoundError} when it has ended */
  kill(how: KillSignal = 'SIGKILL', options: RequestOptions = {}): Promise<void> {
    return this.#process.kill(how, options)
  }
}

/** Starts a program in a terminal. */
export async function startPty(place: Place, options: PtyOptions): Promise<Pty> {
  const { cmd = '/bin/bash', args = [], cols = 80, rows = 24, envs, cwd, tag, idempotencyKey, signal } = options
  const started = await place.transport.json<ExecStartedBody>({
    method: 'POST',
    path: `${place.path}/exec`,
    json: { cmd, args, background: true, pty: { cols, rows }, envs, cwd, tag },
    idempotencyKey,
    signal,
  })
  return new Pty(place, started, { signal, from: 0 })
}
