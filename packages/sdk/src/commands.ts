import type { ExecResultBody, ExecStartedBody, KillSignal, ProcessBody } from '@wrenn/wire'
import { attended } from './attended.js'
import { BackgroundProcess } from './background.js'
import { fromBase64, joined } from './bytes.js'
import { follow, kill, outputOf, type CommandEvent, type OutputOptions, type Place } from './follow.js'
import { endStdin, writeStdin, type Input } from './stdin.js'
import type { MakeOptions, RequestOptions, Transport } from './transport.js'

/** A command line for `/bin/sh -c`, or a program with its arguments and no shell in between. */
export type Command = string | { cmd: string; args?: string[] }

export interface CommandOptions extends RequestOptions {
  /** Default /root. */
  cwd?: string
  envs?: Record<string, string>
}

export interface RunOptions extends CommandOptions {
  /** How long it may take, in seconds; then it is killed, with all that it started. Default 30. */
  timeoutSec?: number
}

export interface StreamOptions extends RunOptions {
  /** A name for it, by which others find it. */
  tag?: string
  /**
   * What it reads from its stdin, closed at the end; `true`: what `commands.write` writes. Default: nothing. A stream is
   * read at the program's pace.
   */
  stdin?: Input | true
  /**
   * What becomes of the program when you leave the loop or abort. A connection that is merely lost is made again in either
   * case; when this process dies, the program goes on until its time runs out. Default `kill`.
   */
  onDisconnect?: 'kill' | 'keep'
}

export interface StartOptions extends CommandOptions, MakeOptions {
  /** A name for it. Default: one is made up. */
  tag?: string
  /** Whether it has a stdin that can be written to. Default: it reads an empty one. */
  stdin?: boolean
}

export interface CommandResult {
  stdout: string
  stderr: string
  /** -1 when a signal ended it. */
  exitCode: number
  durationMs: number
}

/** How much longer than the program the answer may take, in milliseconds. */
const GRACE_MS = 15_000
const DEFAULT_TIMEOUT_SEC = 30
/** Node's fetch waits 300 s for an answer to begin, whatever it is told; what may take longer is streamed. */
const LONGEST_SILENCE_SEC = 240

/** Programs in a capsule. A selector is a pid, a tag or an id. */
export class Commands {
  readonly #place: Place

  constructor(transport: Transport, capsuleId: string) {
    this.#place = { transport, path: `/v1/capsules/${capsuleId}` }
  }

  /** Starts a program that goes on by itself, as `start` does. */
  run(command: Command, options: StartOptions & { background: true }): Promise<BackgroundProcess>
  /**
   * Runs a program to its end. A bad exit code is no error.
   * @throws {WrennAgentError} when the time runs out; {WrennNotFoundError} when there is no such program
   */
  run(command: Command, options?: RunOptions & MakeOptions & { background?: false }): Promise<CommandResult>
  run(
    command: Command,
    { background, ...options }: (RunOptions & MakeOptions) & (StartOptions & { background?: boolean }) = {},
  ): Promise<CommandResult | BackgroundProcess> {
    if (background) return this.start(command, options)
    const { stdin: _, ...foreground } = options
    const isLong = (options.timeoutSec ?? 0) > LONGEST_SILENCE_SEC && options.idempotencyKey === undefined
    return isLong ? collected(this.stream(command, foreground)) : this.#runToEnd(command, foreground)
  }

  /**
   * Runs a program and tells what it prints as it prints it. Leaving the loop kills it; a lost connection does not: it is
   * made again, and nothing is missing.
   */
  stream(command: Command, options: StreamOptions = {}): AsyncGenerator<CommandEvent, void, undefined> {
    const { timeoutSec = DEFAULT_TIMEOUT_SEC, cwd, envs, tag, stdin, onDisconnect = 'kill', signal } = options
    const json = {
      ...words(command),
      timeout_sec: timeoutSec,
      cwd,
      envs,
      tag,
      ...(stdin === undefined ? {} : { stdin: true }),
      on_disconnect: 'keep',
    }
    return attended(this.#place, {
      ask: { ...this.#exec(json), headers: { accept: 'application/x-ndjson' } },
      input: stdin === true ? undefined : stdin,
      keep: onDisconnect === 'keep',
      signal,
    })
  }

  /** Starts a program that goes on by itself. */
  async start(command: Command, options: StartOptions = {}): Promise<BackgroundProcess> {
    const { tag, cwd, envs, stdin, idempotencyKey, signal } = options
    const json = { ...words(command), background: true, tag, cwd, envs, stdin }
    const started = await this.#place.transport.json<ExecStartedBody>({ ...this.#exec(json), idempotencyKey, signal })
    return new BackgroundProcess(this.#place, started)
  }

  /**
   * What a program has printed and prints, to its exit: one that runs, or that ended in the last ten minutes. Leaving the
   * loop leaves it running.
   * @throws {WrennNotFoundError}
   */
  attach(selector: string | number, options: OutputOptions = {}): AsyncGenerator<CommandEvent, void, undefined> {
    return follow(this.#place, outputOf(this.#place, selector, options), options)
  }

  /** A program that was started before, here or elsewhere. @throws {WrennNotFoundError} */
  async connect(selector: string | number, options: RequestOptions = {}): Promise<BackgroundProcess> {
    for await (const event of this.attach(selector, { ...options, tail: 0 }))
      if (event.type === 'start') return new BackgroundProcess(this.#place, { ...event, tag: event.tag ?? event.id })
    throw new Error('unreachable: output begins with a start')
  }

  /** What runs in the background, or is being waited for. */
  async list({ signal }: RequestOptions = {}): Promise<ProcessBody[]> {
    const asked = { method: 'GET', path: `${this.#place.path}/processes`, signal } as const
    return (await this.#place.transport.json<{ processes: ProcessBody[] }>(asked)).processes
  }

  /** Writes to a program's stdin; resolves when it has taken it. @throws {WrennConflictError} when it has none */
  write(selector: string | number, data: string | Uint8Array, { signal }: RequestOptions = {}): Promise<void> {
    return writeStdin(this.#place, selector, { data, signal })
  }

  /** Closes a program's stdin, behind what has been written. */
  endStdin(selector: string | number, options: RequestOptions = {}): Promise<void> {
    return endStdin(this.#place, selector, options)
  }

  /** Signals a program and all that it started. @throws {WrennNotFoundError} when it has ended */
  kill(selector: number | string, how: KillSignal = 'SIGKILL', { signal }: RequestOptions = {}): Promise<void> {
    return kill(this.#place, selector, { how, signal })
  }

  async #runToEnd(command: Command, options: RunOptions & MakeOptions): Promise<CommandResult> {
    const { timeoutSec = DEFAULT_TIMEOUT_SEC, cwd, envs, idempotencyKey, signal } = options
    const result = await this.#place.transport.json<ExecResultBody>({
      ...this.#exec({ ...words(command), timeout_sec: timeoutSec, cwd, envs }),
      timeoutMs: timeoutSec * 1000 + GRACE_MS,
      idempotencyKey,
      signal,
    })
    const isText = result.encoding === 'utf-8'
    const text = (data: string) => (isText ? data : new TextDecoder().decode(fromBase64(data)))
    return {
      stdout: text(result.stdout),
      stderr: text(result.stderr),
      exitCode: result.exit_code,
      durationMs: result.duration_ms,
    }
  }

  #exec(json: object) {
    return { method: 'POST', path: `${this.#place.path}/exec`, json } as const
  }
}

/** All that a program prints, to its end. */
async function collected(events: AsyncIterable<CommandEvent>): Promise<CommandResult> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  const text = (all: Uint8Array[]) => new TextDecoder().decode(joined(all))
  for await (const event of events) {
    if (event.type === 'stdout' || event.type === 'stderr') parts[event.type].push(event.data)
    if (event.type !== 'exit') continue
    const { exitCode, durationMs } = event
    return { stdout: text(parts.stdout), stderr: text(parts.stderr), exitCode, durationMs }
  }
  throw new Error('unreachable: a stream ends with an exit or an error')
}

function words(command: Command): { cmd: string; args: string[] } {
  return typeof command === 'string'
    ? { cmd: '/bin/sh', args: ['-c', command] }
    : { cmd: command.cmd, args: command.args ?? [] }
}
