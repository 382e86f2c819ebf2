import type { KillSignal } from '@wrenn/wire'
import { follow, kill, outputOf, type CommandEvent, type OutputOptions, type Place } from './follow.js'
import { endStdin, Typing, writeStdin } from './stdin.js'
import type { RequestOptions } from './transport.js'

/** What a program is called: an id that is its own for ever, its pid, and its tag. */
export interface ProcessNames {
  id: string
  pid: number
  tag: string
}

/** A program in the background. It can be read from for about ten minutes after its end. */
export class BackgroundProcess implements ProcessNames {
  readonly id: string
  readonly pid: number
  readonly tag: string
  readonly #place: Place
  readonly #typing: Typing

  /** Made by `commands.start` and `commands.connect`. The signal ends writes that are under way. */
  constructor(place: Place, { id, pid, tag }: ProcessNames, signal?: AbortSignal) {
    this.id = id
    this.pid = pid
    this.tag = tag
    this.#place = place
    this.#typing = new Typing((data) => writeStdin(place, id, { data, signal }))
  }

  /**
   * Writes to its stdin, in order; resolves when the program has taken it.
   * @throws {WrennConflictError} when it was started without `stdin`, or its stdin is closed
   */
  write(data: string | Uint8Array): Promise<void> {
    return this.#typing.write(data)
  }

  /** Closes its stdin, behind what has been written. */
  endStdin(options: RequestOptions = {}): Promise<void> {
    return this.#typing.after(() => endStdin(this.#place, this.id, options))
  }

  /** Signals it and all that it started. @throws {WrennNotFoundError} when it has ended */
  kill(how: KillSignal = 'SIGKILL', options: RequestOptions = {}): Promise<void> {
    return kill(this.#place, this.id, { how, ...options })
  }

  /** What it has printed and prints, to its exit; survives lost connections. Leaving the loop leaves it running. */
  output(options: OutputOptions = {}): AsyncGenerator<CommandEvent, void, undefined> {
    return follow(this.#place, outputOf(this.#place, this.id, options), options)
  }

  /** Resolves when it has ended; the exit code is -1 when a signal ended it. */
  async wait(options: RequestOptions = {}): Promise<{ exitCode: number; durationMs: number }> {
    for await (const event of this.output({ ...options, tail: 0 }))
      if (event.type === 'exit') return { exitCode: event.exitCode, durationMs: event.durationMs }
    throw new Error('unreachable: output ends with an exit or an error')
  }
}
