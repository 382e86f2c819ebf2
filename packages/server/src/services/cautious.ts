import type { Clock } from './clock.js'

/** How far a clock that is being set right by and by may get ahead at once, in milliseconds. */
const STEP_MS = 60_000
/** How long a clock that jumped ahead has to stand there until it is believed, in milliseconds. */
const DOUBT_MS = 3_600_000

/**
 * The time by which things are removed for good. When the machine's clock jumps ahead, what would be too old at once is not
 * removed for an hour: until then the jump may turn out to be a mistake. A clock that is set back is believed: it removes nothing.
 */
export class Cautious {
  /** What the clock is ahead of the time that has passed. */
  #offset: number
  #doubtedSince: number | undefined

  constructor(private readonly clock: Clock) {
    this.#offset = clock.now() - clock.elapsed()
  }

  /** Milliseconds since 1970. */
  now(): number {
    const elapsed = this.clock.elapsed()
    const offset = this.clock.now() - elapsed
    const isAhead = offset - this.#offset > STEP_MS
    if (isAhead) this.#doubtedSince ??= elapsed
    if (!isAhead || elapsed - this.#doubtedSince! >= DOUBT_MS) {
      this.#offset = offset
      this.#doubtedSince = undefined
    }
    return elapsed + this.#offset
  }
}
