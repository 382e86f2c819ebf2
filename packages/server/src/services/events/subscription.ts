import type { Clock } from '../clock.js'
import type { Ring } from './ring.js'

/** How long a reader hears nothing before a comment tells it that the connection stands, in milliseconds. */
const COMMENT_MS = 30_000
const COMMENT = ': still there\n\n'

interface Reader {
  ring: Ring
  /** The number of the first event to be read. */
  next: number
  clock: Clock
  /** Called once, when it is over for whatever reason. */
  onEnd: () => void
  /** Called when the reader is so slow that what it has not read yet is forgotten. */
  cut: () => void
}

/**
 * One who reads a team's events. It holds a place in what all readers share, and nothing of its own: however slow it is, it
 * costs no memory.
 */
export class Subscription {
  #next: number
  #isOver = false
  #wake: () => void = () => {}

  constructor(private readonly reader: Reader) {
    this.#next = reader.next
  }

  /** `greeting`, then every event from the first on; each is asked for when the one before has been taken. */
  async *messages(greeting: string): AsyncGenerator<string> {
    try {
      yield greeting
      while (!this.#isOver) {
        const text = this.reader.ring.at(this.#next)
        if (text === undefined) {
          if (!(await this.#woken()) && !this.#isOver) yield COMMENT
        } else {
          this.#next++
          yield text
        }
      }
    } finally {
      this.end()
    }
  }

  /** There is a new event. */
  notice(): void {
    if (this.#next >= this.reader.ring.first) return this.#wake()
    this.end()
    this.reader.cut()
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#wake()
    this.reader.onEnd()
  }

  /** Resolves with whether something happened before it was time for a comment. */
  #woken(): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.reader.clock.after(COMMENT_MS, () => resolve(false))
      this.#wake = () => {
        cancel()
        resolve(true)
      }
    })
  }
}
