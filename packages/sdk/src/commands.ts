import type { ExecEvent, ExecResultBody, ExecStartedBody, KillSignal, ProcessBody } from '@wrenn/wire'
import { errorOf } from './errors.js'
import { readLines } from './lines.js'
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

export interface StartOptions extends CommandOptions, MakeOptions {
  /** A name for it. Default: one is made up. */
  tag?: string
}

export interface CommandResult {
  stdout: string
  stderr: string
  /** -1 when a signal ended it. */
  exitCode: number
  durationMs: number
}

/** What happens while a program runs; the last is `exit`. */
export type CommandEvent =
  | { type: 'start'; pid: number }
  | { type: 'stdout' | 'stderr'; data: Uint8Array }
  | { type: 'exit'; exitCode: number; durationMs: number }

/** A program in the background. */
export interface BackgroundProcess {
  pid: number
  tag: string
  kill(signal?: KillSignal): Promise<void>
}

/** How much longer than the program the answer may take, in milliseconds. */
const GRACE_MS = 15_000
const DEFAULT_TIMEOUT_SEC = 30

/** Programs in a capsule. */
export class Commands {
  readonly #transport: Transport
  readonly #path: string

  constructor(transport: Transport, capsuleId: string) {
    this.#transport = transport
    this.#path = `/v1/capsules/${capsuleId}`
  }

  /**
   * Runs a program to its end. A bad exit code is no error.
   * @throws {WrennAgentError} when the time runs out; {WrennNotFoundError} when there is no such program
   */
  async run(
    command: Command,
    { timeoutSec = DEFAULT_TIMEOUT_SEC, cwd, envs, idempotencyKey, signal }: RunOptions & MakeOptions = {},
  ): Promise<CommandResult> {
    const result = await this.#transport.json<ExecResultBody>({
      method: 'POST',
      path: `${this.#path}/exec`,
      json: { ...words(command), timeout_sec: timeoutSec, cwd, envs },
      timeoutMs: timeoutSec * 1000 + GRACE_MS,
      idempotencyKey,
      signal,
    })
    const text =
      result.encoding === 'base64'
        ? (data: string) => new TextDecoder().decode(fromBase64(data))
        : (data: string) => data
    return {
      stdout: text(result.stdout),
      stderr: text(result.stderr),
      exitCode: result.exit_code,
      durationMs: result.duration_ms,
    }
  }

  /** Runs a program and tells what it prints as it prints it. Leaving the loop kills it. */
  async *stream(
    command: Command,
    { timeoutSec = DEFAULT_TIMEOUT_SEC, cwd, envs, signal }: RunOptions = {},
  ): AsyncGenerator<CommandEvent> {
    const left = new AbortController()
    try {
      const response = await this.#transport.send({
        method: 'POST',
        path: `${this.#path}/exec`,
        json: { ...words(command), timeout_sec: timeoutSec, cwd, envs },
        headers: { accept: 'application/x-ndjson' },
        signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
      })
      for await (const line of readLines(response.body!)) yield toEvent(JSON.parse(line) as ExecEvent)
    } finally {
      left.abort()
    }
  }

  /** Starts a program that goes on by itself. */
  async start(
    command: Command,
    { tag, cwd, envs, idempotencyKey, signal }: StartOptions = {},
  ): Promise<BackgroundProcess> {
    const started = await this.#transport.json<ExecStartedBody>({
      method: 'POST',
      path: `${this.#path}/exec`,
      json: { ...words(command), background: true, tag, cwd, envs },
      idempotencyKey,
      signal,
    })
    return { pid: started.pid, tag: started.tag, kill: (how) => this.kill(started.tag, how) }
  }

  /** What runs in the background, or is being waited for. */
  async list({ signal }: RequestOptions = {}): Promise<ProcessBody[]> {
    const asked = { method: 'GET', path: `${this.#path}/processes`, signal } as const
    return (await this.#transport.json<{ processes: ProcessBody[] }>(asked)).processes
  }

  /** Signals a program and all that it started. @throws {WrennNotFoundError} when it has ended */
  async kill(selector: number | string, how: KillSignal = 'SIGKILL', { signal }: RequestOptions = {}): Promise<void> {
    const path = `${this.#path}/processes/${encodeURIComponent(selector)}`
    await this.#transport.done({ method: 'DELETE', path, query: { signal: how }, signal })
  }
}

function words(command: Command): { cmd: string; args: string[] } {
  return typeof command === 'string'
    ? { cmd: '/bin/sh', args: ['-c', command] }
    : { cmd: command.cmd, args: command.args ?? [] }
}

function toEvent(event: ExecEvent): CommandEvent {
  switch (event.type) {
    case 'start':
      return event
    case 'stdout':
    case 'stderr':
      return {
        type: event.type,
        data: event.encoding === 'base64' ? fromBase64(event.data) : new TextEncoder().encode(event.data),
      }
    case 'exit':
      return { type: 'exit', exitCode: event.exit_code, durationMs: event.duration_ms }
    case 'error':
      throw errorOf(event.message, { code: event.code, status: 502 })
  }
}

function fromBase64(data: string): Uint8Array {
  return Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
}
