import { now } from '../store/time.js'

/** The time, and waiting for it: what depends on it takes it from here, so that tests need not sleep. */
export interface Clock {
  /** Milliseconds since 1970, for people and for the store. It may jump: for how long something takes there is `elapsed`. */
  now(): number
  /** Milliseconds since some time of this process, whatever becomes of the machine's clock. */
  elapsed(): number
  /** Runs `work` once, after so many milliseconds. @returns what calls it off */
  after(ms: number, work: () => void): () => void
}

/** The longest that a timer of Node.js can wait; beyond, it fires at once. */
const LONGEST_MS = 2 ** 31 - 1

/** The machine's own time. Its timers are no reason for the process to stay. */
export const systemClock: Clock = {
  now: () => Date.parse(now()),
  elapsed: () => performance.now(),
  after: (ms, work) => {
    let left = ms
    let timer: NodeJS.Timeout
    const wait = () => {
      const step = Math.min(left, LONGEST_MS)
      left -= step
      timer = setTimeout(() => (left > 0 ? wait() : work()), step).unref()
    }
    wait()
    return () => clearTimeout(timer)
  },
}

/** A time as the store keeps it. */
export function toIso(ms: number): string {
  return new Date(ms).toISOString()
}

/** One timer for whatever is due next. */
export class Alarm {
  #cancel: () => void = () => {}
  #isOff = false

  constructor(private readonly clock: Clock) {}

  /** Runs `work` at `due`, in place of what was waited for; at once when that is past. */
  set(due: number, work: () => void): void {
    this.in(due - this.clock.now(), work)
  }

  /** The same, after so many milliseconds. */
  in(ms: number, work: () => void): void {
    this.clear()
    if (!this.#isOff) this.#cancel = this.clock.after(Math.max(0, ms), work)
  }

  clear(): void {
    this.#cancel()
    this.#cancel = () => {}
  }

  /** Nothing is waited for any more, now and later. */
  stop(): void {
    this.#isOff = true
    this.clear()
  }
}
