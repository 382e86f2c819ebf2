import type { Context } from './context.js'
import { Alarm } from './clock.js'

/** After how long it is tried again, in milliseconds: at first, and at most; it doubles in between. */
const SOON_MS = 500
const LATER_MS = 5_000

/**
 * What has to be done, whatever becomes of the request that it belongs to, and could not be: it is tried again until it is
 * done. What is still owed when the server ends is found by the next start, which compares the store with the hosts.
 */
export class Owed {
  readonly #debts = new Map<string, () => Promise<unknown>>()
  readonly #alarm: Alarm
  #waitMs = SOON_MS
  #trying: Promise<void> | undefined

  constructor(private readonly context: Pick<Context, 'clock' | 'log'>) {
    this.#alarm = new Alarm(context.clock)
  }

  /**
   * Does it now or, where that fails, later. Never throws.
   *
   * @param what names it, with the id that it is about: of the same, only the last is owed
   * @param work may be done more than once
   */
  async pay(what: string, work: () => Promise<unknown>): Promise<void> {
    await this.insist(what, work).catch(() => {})
  }

  /** The same, but throws what the first try threw. */
  async insist<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (err) {
      this.context.log.error({ err }, `could not be done, and is tried again: ${what}`)
      this.#debts.set(what, work)
      this.#wait()
      throw err
    }
  }

  /** Tries now what is owed. */
  async retry(): Promise<void> {
    await (this.#trying ??= this.#try().finally(() => (this.#trying = undefined)))
  }

  /** Nothing is tried by itself any more. */
  stop(): void {
    this.#alarm.stop()
  }

  #wait(): void {
    this.#alarm.set(this.context.clock.now() + this.#waitMs, () => void this.retry())
  }

  async #try(): Promise<void> {
    for (const [what, work] of [...this.#debts]) {
      try {
        await work()
        if (this.#debts.get(what) === work) this.#debts.delete(what)
        this.context.log.info(`is done now: ${what}`)
      } catch (err) {
        this.context.log.debug({ err }, `still cannot be done: ${what}`)
      }
    }
    const isPaid = this.#debts.size === 0
    this.#waitMs = isPaid ? SOON_MS : Math.min(LATER_MS, this.#waitMs * 2)
    if (isPaid) this.#alarm.clear()
    else this.#wait()
  }
}
