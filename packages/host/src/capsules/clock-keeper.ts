/**
 * Keeps the clocks of running capsules right. Where the processor is emulated they lose time whenever it is busy, above all
 * right after a start, and all stand still while the host sleeps. A look costs the guest one short request, is no activity, and does not
 * disturb a capture.
 */
import type { Logger } from 'pino'
import pLimit from 'p-limit'
import { correctClock, measureClock } from '../agent/clock.js'
import type { LiveCapsule, LiveCapsules } from './live.js'

/** When a capsule is looked at that was just started, or whose clock was wrong. Then ever more seldom. */
const SOON_MS = 1000
const PERIOD_MS = 30_000
/** How long one look may take. */
const LOOK_MS = 5_000
const AT_ONCE = 4
/** What is less is left as it is. */
const TOLERANCE_MS = 10
/**
 * A clock that is further behind, or ahead, is set at once. What is less is slewed, which takes 2 s for each millisecond,
 * and no second is seen twice.
 */
const MOST_BEHIND_MS = 100
const MOST_AHEAD_MS = 500

/** Does something later, and returns what keeps it from being done. */
export type After = (ms: number, work: () => void) => () => void

const afterTime: After = (ms, work) => {
  const timer = setTimeout(work, ms).unref()
  return () => clearTimeout(timer)
}

export interface ClockKeeperParts {
  live: Pick<LiveCapsules, 'find'>
  log: Logger
  after?: After
}

export class ClockKeeper {
  readonly #limit = pLimit(AT_ONCE)
  readonly #closing = new AbortController()
  readonly #waiting = new Set<() => void>()
  readonly #after: After

  constructor(private readonly parts: ClockKeeperParts) {
    this.#after = parts.after ?? afterTime
  }

  /** Looks after these for as long as they run; they are looked at one after the other. */
  keep(capsules: readonly LiveCapsule[]): void {
    for (const [i, capsule] of capsules.entries()) this.#later(capsule, SOON_MS, (SOON_MS * (i + 1)) / capsules.length)
  }

  close(): void {
    this.#closing.abort()
    for (const cancel of this.#waiting) cancel()
    this.#waiting.clear()
  }

  #later(capsule: LiveCapsule, nextMs: number, delayMs = nextMs): void {
    const cancel = this.#after(delayMs, () => {
      this.#waiting.delete(cancel)
      void this.#limit(() => this.#look(capsule, nextMs))
    })
    this.#waiting.add(cancel)
  }

  async #look(capsule: LiveCapsule, waitedMs: number): Promise<void> {
    const isRight = capsule.isHeld || (await this.#keepRight(capsule))
    if (this.#closing.signal.aborted || this.parts.live.find(capsule.id) !== capsule) return
    this.#later(capsule, isRight ? Math.min(waitedMs * 2, PERIOD_MS) : SOON_MS)
  }

  /** Whether it was right, as far as is known. */
  async #keepRight(capsule: LiveCapsule): Promise<boolean> {
    if (this.#closing.signal.aborted || this.parts.live.find(capsule.id) !== capsule) return true
    try {
      return await keepRight(capsule, AbortSignal.any([AbortSignal.timeout(LOOK_MS), this.#closing.signal]))
    } catch (err) {
      // Whether it answers is not for this to say.
      this.parts.log.debug({ err, capsule: capsule.id }, 'a clock could not be looked at')
      return true
    }
  }
}

/** Puts a clock right; whether it was nearly so. */
async function keepRight(capsule: LiveCapsule, signal: AbortSignal): Promise<boolean> {
  const { offsetMs, uncertaintyMs } = await measureClock(capsule.channel, signal)
  // A capture that has come meanwhile may be what it waited for: then it does not know what it measured.
  if (Math.abs(offsetMs) <= Math.max(TOLERANCE_MS, uncertaintyMs) || capsule.isHeld) return true
  const isFarOff = offsetMs < -MOST_BEHIND_MS || offsetMs > MOST_AHEAD_MS
  await correctClock(capsule.channel, { byMs: -offsetMs, how: isFarOff ? 'step' : 'slew' }, signal)
  return !isFarOff
}
