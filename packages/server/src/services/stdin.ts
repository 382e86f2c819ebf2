/** What clients type, on its way to a program. */
import { Problem, type Guest } from '@wrenn/wire'
import type { Clock } from './clock.js'

/** How much waits for the program before its writer has to wait, in bytes. */
const MOST_WAITING = 1024 * 1024
/** How long what was written before its writer left may take to be taken, in milliseconds. */
const LEAVING_MS = 10_000

interface Target {
  guest: Guest
  selector: string
  /** Is told when the program takes no more; whoever writes nevertheless waits until it was. */
  failed: (error: unknown) => Promise<unknown>
}

/** The stdin of one program. Pieces that wait are put together: what is typed comes in many small ones. */
export class Stdin {
  readonly #controller = new AbortController()
  #waiting: Uint8Array[] = []
  #size = 0
  #isEnding = false
  #isClosed = false
  #running: Promise<void> | undefined
  #hasRoom: () => void = () => {}

  constructor(private readonly target: Target) {}

  /** Takes a piece, and resolves when there is room for another. Only one call at a time. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isEnding || this.#isClosed) {
      await this.target.failed(new Problem('conflict', 'The stdin of the program is closed.'))
      return
    }
    this.#waiting.push(bytes)
    this.#size += bytes.length
    this.#running ??= this.#run()
    if (this.#size > MOST_WAITING) await new Promise<void>((resolve) => (this.#hasRoom = resolve))
  }

  /** Closes it, behind what is being written. */
  end(): void {
    if (this.#isEnding || this.#isClosed) return
    this.#isEnding = true
    this.#running ??= this.#run()
  }

  /** Nobody writes any more. What is on its way gets a little time. */
  async leave(clock: Clock): Promise<void> {
    const cancel = clock.after(LEAVING_MS, () => this.drop())
    await this.#running
    cancel()
  }

  /** Forgets what was not taken yet. */
  drop(): void {
    this.#controller.abort()
    this.#close()
  }

  async #run(): Promise<void> {
    const { guest, selector, failed } = this.target
    const { signal } = this.#controller
    try {
      while (this.#waiting.length > 0) await guest.writeStdin(selector, this.#take(), signal)
      if (this.#isEnding) await guest.endStdin(selector, signal)
    } catch (error) {
      this.#close()
      if (!signal.aborted) void failed(error)
    } finally {
      this.#running = undefined
    }
  }

  async *#take(): AsyncGenerator<Uint8Array> {
    while (this.#waiting.length > 0) {
      const piece = Buffer.concat(this.#waiting)
      this.#forget()
      yield piece
    }
  }

  #close(): void {
    this.#isClosed = true
    this.#forget()
  }

  #forget(): void {
    this.#waiting = []
    this.#size = 0
    this.#hasRoom()
  }
}
