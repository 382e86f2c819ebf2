import type { Day, Load } from '../../store/store.js'
import type { Reserved } from './running.js'

/** The steps over which loads are kept, in seconds, and for how long each. */
export const MINUTE = 60
export const HOUR = 3600
export const DAY = 86_400
export const kept = { [MINUTE]: DAY, [HOUR]: 30 * DAY } as const

const STEPS = [MINUTE, HOUR] as const

/** The day (UTC) of a time in milliseconds: `2026-01-02`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

export interface Entries {
  days: Day[]
  loads: Load[]
}

/** What was reserved, since it was last written down: by day, by hour and by minute. */
export class Ledger {
  #days = new Map<string, Day>()
  #loads = new Map<string, Load>()

  get isEmpty(): boolean {
    return this.#days.size === 0 && this.#loads.size === 0
  }

  /** A team reserved this from one time to another, in milliseconds. */
  add(teamId: string, reserved: Reserved, { from, to }: { from: number; to: number }): void {
    if (reserved.running === 0 || to < from) return
    for (let at = from; at < to;) {
      const next = Math.min(to, (Math.floor(at / (DAY * 1000)) + 1) * DAY * 1000)
      const ms = next - at
      this.#addDay({ teamId, day: dayOf(at), cpuMs: reserved.vcpus * ms, ramMbMs: reserved.memoryMb * ms })
      at = next
    }
    for (const step of STEPS) {
      const first = Math.max(from / 1000, to / 1000 - kept[step])
      let at = Math.floor(first / step) * step
      do this.#raise({ teamId, step, at, ...reserved })
      while ((at += step) < to / 1000)
    }
  }

  /** Takes all out. */
  take(): Entries {
    const entries = { days: [...this.#days.values()], loads: [...this.#loads.values()] }
    this.#days = new Map()
    this.#loads = new Map()
    return entries
  }

  /** Puts in again what could not be written down, or what is written down already. */
  put({ days, loads }: Entries): void {
    for (const day of days) this.#addDay(day)
    for (const load of loads) this.#raise(load)
  }

  /** All entries of a team, without taking them out. */
  of(teamId: string): Entries {
    const own = <T extends { teamId: string }>(rows: Map<string, T>) =>
      [...rows.values()].filter((row) => row.teamId === teamId)
    return { days: own(this.#days), loads: own(this.#loads) }
  }

  #addDay(day: Day): void {
    const key = `${day.teamId} ${day.day}`
    const { cpuMs, ramMbMs } = this.#days.get(key) ?? { cpuMs: 0, ramMbMs: 0 }
    this.#days.set(key, { ...day, cpuMs: cpuMs + day.cpuMs, ramMbMs: ramMbMs + day.ramMbMs })
  }

  #raise(load: Load): void {
    const key = `${load.teamId} ${load.step} ${load.at}`
    this.#loads.set(key, { ...load, ...mostOf(load, this.#loads.get(key)) })
  }
}

/** The most of each, whenever it was. */
export function mostOf(one: Reserved, other: Reserved | undefined): Reserved {
  return {
    running: Math.max(one.running, other?.running ?? 0),
    vcpus: Math.max(one.vcpus, other?.vcpus ?? 0),
    memoryMb: Math.max(one.memoryMb, other?.memoryMb ?? 0),
  }
}
