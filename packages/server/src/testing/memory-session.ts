import {
  Problem,
  type Attachment,
  type ExecChunk,
  type ExecSpec,
  type OutputStart,
  type TerminalSize,
} from '@wrenn/wire'

/** How much of a session's output is kept, in bytes. */
const MOST_KEPT = 1024 * 1024

export type Program = (spec: ExecSpec, signal: AbortSignal, session: MemorySession) => AsyncGenerator<ExecChunk>
type Exit = ExecChunk & { type: 'exit' }
type Piece = Exclude<ExecChunk, Exit>

/** A program that runs no faster than its output is read, and of which some output is kept. */
export class MemorySession {
  /** Aborts when it is killed. */
  readonly #killed = new AbortController()
  readonly #chunks: AsyncGenerator<ExecChunk>
  readonly #log: (Piece & { at: number })[] = []
  #written = 0
  #exit: Exit | undefined
  #failure: { error: unknown } | undefined
  #isOver = false
  #pulling: Promise<void> | undefined
  readonly #typed: Uint8Array[] = []
  #isStdinEnded = false
  #wake: () => void = () => {}
  #taken: () => void = () => {}
  /** The sizes that its terminal was given. */
  readonly sizes: TerminalSize[] = []
  /** How often something was written to its stdin. */
  writes = 0

  constructor(
    readonly ref: { id: string; pid: number; tag?: string | undefined },
    readonly spec: ExecSpec,
    program: Program,
  ) {
    this.#chunks = program(spec, this.#killed.signal, this)
  }

  get hasEnded(): boolean {
    return this.#isOver
  }

  kill(): void {
    this.#killed.abort()
    this.#exit = { type: 'exit', exitCode: -1, timedOut: false, durationMs: 1 }
    this.#isOver = true
    this.#taken()
    this.#wake()
  }

  /** What is typed; a piece counts as taken when the next one is asked for. */
  async *stdin(): AsyncGenerator<Buffer> {
    for (;;) {
      const typed = this.#typed[0]
      if (typed) {
        yield Buffer.from(typed)
        this.#typed.shift()
        this.#taken()
      } else if (this.#isStdinEnded || this.#isOver) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async type(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if (!this.spec.stdin && !this.spec.pty) throw closed()
    this.writes++
    const over = this.#over(signal)
    for await (const chunk of chunks) {
      if (this.#isStdinEnded) throw closed()
      this.#typed.push(chunk)
      this.#wake()
      await Promise.race([new Promise<void>((resolve) => (this.#taken = resolve)), over])
      signal.throwIfAborted()
      if (this.#isOver) throw new Problem('not_found', 'There is no such process.')
    }
  }

  endStdin(): void {
    this.#isStdinEnded = true
    this.#wake()
  }

  /** One more reader. */
  read({ from, tail }: OutputStart, signal: AbortSignal): Attachment {
    const oldest = this.#log[0]?.at ?? this.#written
    const wanted = Math.min(from ?? (tail === undefined ? 0 : Math.max(0, this.#written - tail)), this.#written)
    const offset = Math.max(wanted, oldest)
    return { ...this.ref, offset, dropped: offset > wanted, output: this.#from(offset, signal) }
  }

  async *#from(offset: number, signal: AbortSignal): AsyncGenerator<ExecChunk> {
    const over = this.#over(signal)
    let at = offset
    for (;;) {
      signal.throwIfAborted()
      const piece = this.#log.find((one) => one.at + one.data.length > at)
      if (piece) {
        const data = piece.data.subarray(Math.max(0, at - piece.at))
        at = piece.at + piece.data.length
        yield { type: piece.type, data }
      } else if (this.#exit) return yield this.#exit
      else if (this.#failure) throw this.#failure.error
      else if (this.#isOver) return
      else await Promise.race([this.#more(), over])
    }
  }

  /** Resolves when there is more, for whoever waits; the program is asked once. */
  #more(): Promise<void> {
    return (this.#pulling ??= this.#pull().finally(() => (this.#pulling = undefined)))
  }

  /** Resolves when the reader leaves, or the program is killed. */
  #over(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      for (const one of [signal, this.#killed.signal]) one.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  async #pull(): Promise<void> {
    try {
      const { done, value } = await this.#chunks.next()
      if (this.#isOver) return
      if (done) this.#isOver = true
      else if (value.type !== 'exit') this.#keep(value)
      else {
        this.#exit = value
        this.#isOver = true
        this.#taken()
        await this.#chunks.next()
      }
    } catch (error) {
      this.#failure = { error }
      this.#isOver = true
    }
  }

  #keep(piece: Piece): void {
    this.#log.push({ ...piece, at: this.#written })
    this.#written += piece.data.length
    while (this.#log.length > 1 && this.#written - this.#log[1]!.at >= MOST_KEPT) this.#log.shift()
  }
}

function closed(): Problem {
  return new Problem('conflict', 'The stdin of the program is closed.')
}
