/**
 * Keeps the clocks of running capsules right. They drift where the processor is emulated, and stand still while the host
 * sleeps. A look costs the guest one short request, is no activity, and does not disturb a capture.
 */
import type { Logger } from 'pino'
import pLimit from 'p-limit'
import { correctClock, measureClock } from '../agent/clock.js'
import type { LiveCapsule, LiveCapsules } from './live.js'

/** How often each capsule is looked at. */
const PERIOD_MS = 30_000
/** How long one look may take. */
const LOOK_MS = 5_000
const AT_ONCE = 4
/** What is less is left as it is. */
const TOLERANCE_MS = 10
/** What is less is slewed, so that no second is seen twice; more would take too long. */
const MOST_SLEWED_MS = 500

/** Does something later, and returns what keeps it from being done. */
export type After = (ms: number, work: () => void) => () => void

const afterTime: After = (ms, work) => {
  const timer = setTimeout(work, ms).unref()
  return () => clearTimeout(timer)
}

export interface ClockKeeperParts {
  live: Pick<LiveCapsules, 'all' | 'find'>
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

  /** Begins with a look at all that run. */
  start(): void {
    if (this.#waiting.size === 0) this.#begin()
  }

  close(): void {
    this.#closing.abort()
    for (const cancel of this.#waiting) cancel()
    this.#waiting.clear()
  }

  /** Looks at all in the course of a period, one after the other, and begins again. */
  #begin(): void {
    const capsules = this.parts.live.all()
    for (const [i, capsule] of capsules.entries()) {
      this.#later((PERIOD_MS * i) / capsules.length, () => void this.#limit(() => this.#look(capsule)))
    }
    this.#later(PERIOD_MS, () => this.#begin())
  }

  #later(ms: number, work: () => void): void {
    const cancel = this.#after(ms, () => {
      this.#waiting.delete(cancel)
      work()
    })
    this.#waiting.add(cancel)
  }

  async #look(capsule: LiveCapsule): Promise<void> {
    if (this.#closing.signal.aborted || capsule.isHeld || this.parts.live.find(capsule.id) !== capsule) return
    try {
      await keepRight(capsule, AbortSignal.any([AbortSignal.timeout(LOOK_MS), this.#closing.signal]))
    } catch (err) {
      // It is looked at again; whether it answers is not for this to say.
      this.parts.log.debug({ err, capsule: capsule.id }, 'a clock could not be looked at')
    }
  }
}

async function keepRight(capsule: LiveCapsule, signal: AbortSignal): Promise<void> {
  const { offsetMs, uncertaintyMs } = await measureClock(capsule.channel, signal)
  const offMs = Math.abs(offsetMs)
  // A capture that has come meanwhile may be what it waited for: then it does not know what it measured.
  if (offMs <= Math.max(TOLERANCE_MS, uncertaintyMs) || capsule.isHeld) return
  await correctClock(capsule.channel, { byMs: -offsetMs, how: offMs < MOST_SLEWED_MS ? 'slew' : 'step' }, signal)
}
