import type { Capsule } from '../store/store.js'
import { Alarm, toIso, type Clock } from './clock.js'
import type { Context } from './context.js'

/** How exact "last active" is in the store, in milliseconds: a write for every call would cost more than it tells. */
const STORED_EVERY_MS = 1_000

/** How much of its idle time a capsule has at least when the server has started, in milliseconds: who uses it finds it again. */
const GRACE_MS = 60_000

/** A call into a capsule: the capsule is not idle until it has ended. */
export interface Lease {
  /** It is a call that counts, rather than one that is refused. */
  confirm(): void
  end(): void
}

interface Entry {
  teamId: string
  open: number
  /** 0: it is never idle, or does not run. */
  timeoutMs: number
  /** Like the other times by the clock that does not jump. */
  lastActive: number
  stored: number
  /** Its idle period begins no sooner than this: since then a pause of it has failed. */
  notBefore: number
  isPausing: boolean
  alarm: Alarm
}

type WhenIdle = (capsule: { teamId: string; id: string }) => Promise<void>

/** Who is active, and since when not: one timer for each capsule that is paused when it is idle. */
export class Activity {
  readonly #entries = new Map<string, Entry>()
  readonly #clock: Clock
  #whenIdle: WhenIdle = async () => {}
  #isOff = false

  constructor(private readonly context: Context) {
    this.#clock = context.clock
  }

  /** Sets what is done to a capsule that is idle. */
  onIdle(whenIdle: WhenIdle): void {
    this.#whenIdle = whenIdle
  }

  /** It runs from now on. */
  watch({ id, teamId, timeoutSec, lastActiveAt }: Capsule): void {
    if (this.#isOff) return
    const entry = this.#entry(id)
    const timeoutMs = timeoutSec * 1000
    // The machine's clock may have been set meanwhile: forwards, so that all of them would be idle, or back.
    const ago = Math.max(0, lastActiveAt === null ? 0 : this.#clock.now() - Date.parse(lastActiveAt))
    const lastActive = this.#clock.elapsed() - Math.min(ago, Math.max(0, timeoutMs - GRACE_MS))
    Object.assign(entry, { teamId, timeoutMs, lastActive, stored: lastActive, notBefore: -Infinity })
    this.#arm(id, entry)
  }

  /** It does not run any more. */
  forget(id: string): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    entry.timeoutMs = 0
    this.#arm(id, entry)
  }

  /** A call begins, whatever will come of it. */
  enter(id: string): Lease {
    const entry = this.#entry(id)
    let [isOpen, isConfirmed] = [true, false]
    entry.open++
    this.#arm(id, entry)
    return {
      confirm: () => {
        isConfirmed = true
        this.#note(id, entry)
      },
      end: () => {
        if (!isOpen) return
        isOpen = false
        entry.open--
        if (isConfirmed) this.#note(id, entry)
        this.#arm(id, entry)
      },
    }
  }

  /** It was active just now, and the store knows. */
  touch(id: string): void {
    const entry = this.#entries.get(id)
    if (!entry) return
    entry.lastActive = entry.stored = this.#clock.elapsed()
    this.#arm(id, entry)
  }

  isOpen(id: string): boolean {
    return (this.#entries.get(id)?.open ?? 0) > 0
  }

  /** No timer goes off any more. */
  stop(): void {
    this.#isOff = true
    for (const { alarm } of this.#entries.values()) alarm.stop()
  }

  #entry(id: string): Entry {
    const known = this.#entries.get(id)
    if (known) return known
    const times = { timeoutMs: 0, lastActive: 0, stored: -Infinity, notBefore: -Infinity }
    const entry = { teamId: '', open: 0, ...times, isPausing: false, alarm: new Alarm(this.#clock) }
    this.#entries.set(id, entry)
    return entry
  }

  #note(id: string, entry: Entry): void {
    entry.lastActive = this.#clock.elapsed()
    if (this.#isOff || entry.lastActive - entry.stored < STORED_EVERY_MS) return
    entry.stored = entry.lastActive
    const { store, log } = this.context
    void store.capsules
      .active(id, toIso(this.#clock.now()))
      .catch((err: unknown) => log.warn({ err, capsule: id }, 'activity could not be noted'))
  }

  #arm(id: string, entry: Entry): void {
    const { timeoutMs, open, isPausing, lastActive, notBefore, alarm } = entry
    if (timeoutMs > 0 && open === 0 && !isPausing)
      return alarm.in(
        Math.max(lastActive, notBefore) + timeoutMs - this.#clock.elapsed(),
        () => void this.#idle(id, entry),
      )
    alarm.clear()
    if (timeoutMs === 0 && open === 0 && !isPausing) this.#entries.delete(id)
  }

  async #idle(id: string, entry: Entry): Promise<void> {
    entry.isPausing = true
    try {
      await this.#whenIdle({ id, teamId: entry.teamId })
    } catch (err) {
      this.context.log.error({ err, capsule: id }, 'an idle capsule could not be paused; it is tried again later')
    }
    entry.isPausing = false
    entry.notBefore = this.#clock.elapsed()
    this.#arm(id, entry)
  }
}
