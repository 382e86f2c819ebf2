import type { Clock } from '../services/clock.js'
import { now } from '../store/time.js'

interface Timer {
  due: number
  work: () => void
}

/** A clock whose timers go off when a test moves its time on. Otherwise it runs with the machine's. */
export class TestClock implements Clock {
  readonly #timers = new Set<Timer>()

  /**
   * @param ahead how far it is ahead of the machine's, in milliseconds
   * @param wrong by how much more it is set wrong
   */
  constructor(
    private ahead = 0,
    private wrong = 0,
  ) {}

  now(): number {
    return Date.parse(now()) + this.ahead + this.wrong
  }

  elapsed(): number {
    return performance.now() + this.ahead
  }

  after(ms: number, work: () => void): () => void {
    const timer = { due: this.elapsed() + ms, work }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** Another of the same time, for which nothing waits. */
  copy(): TestClock {
    return new TestClock(this.ahead, this.wrong)
  }

  /** Is set forwards or, below zero, back by so many seconds. No time passes. */
  jump(seconds: number): void {
    this.wrong += seconds * 1000
  }

  /** Moves on by so many seconds; what was due until then is done, in its order. */
  advance(seconds: number): void {
    this.ahead += seconds * 1000
    for (;;) {
      const [next] = [...this.#timers].filter(({ due }) => due <= this.elapsed()).sort((a, b) => a.due - b.due)
      if (!next) return
      this.#timers.delete(next)
      next.work()
    }
  }

  /** How many seconds from now each timer goes off, the next one first. */
  waiting(): number[] {
    const times = [...this.#timers].map(({ due }) => Math.max(0, Math.round((due - this.elapsed()) / 1000)))
    return times.sort((a, b) => a - b)
  }
}
