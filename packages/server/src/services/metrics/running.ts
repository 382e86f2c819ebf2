import type { Capsule, Store } from '../../store/store.js'

/** A capsule that runs, and what it reserves. */
export type RunningCapsule = Pick<Capsule, 'id' | 'teamId' | 'vcpus' | 'memoryMb' | 'lastUpdated'>

/** What a team's running capsules reserve at one time. */
export interface Reserved {
  running: number
  vcpus: number
  memoryMb: number
}

const nothing: Reserved = { running: 0, vcpus: 0, memoryMb: 0 }

/** The capsules that run now, as the store has committed it. */
export class Running {
  readonly #byId = new Map<string, RunningCapsule>()
  readonly #byTeam = new Map<string, Reserved>()
  readonly #listeners: ((teamId: string) => void)[] = []

  constructor(private readonly store: Store) {
    store.onChange(({ capsule }) => {
      const isRunning = capsule.status === 'running'
      if (this.#byId.has(capsule.id) === isRunning) return
      for (const listener of this.#listeners) listener(capsule.teamId)
      this.#set(capsule, isRunning)
    })
  }

  /** Takes up what runs already. */
  async begin(): Promise<void> {
    // Within the transaction: a change that comes later is told after it.
    await this.store.transaction(async (within) => {
      const unsettled = await within.capsules.unsettled()
      for (const capsule of unsettled) if (capsule.status === 'running') this.#set(capsule, true)
    })
  }

  /** Registers what is told that what a team reserves is about to change. */
  beforeChange(listener: (teamId: string) => void): void {
    this.#listeners.push(listener)
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: string): RunningCapsule | undefined {
    return this.#byId.get(id)
  }

  all(): RunningCapsule[] {
    return [...this.#byId.values()]
  }

  /** The teams of which something runs. */
  teams(): string[] {
    return [...this.#byTeam.keys()]
  }

  of(teamId: string): Reserved {
    return this.#byTeam.get(teamId) ?? nothing
  }

  #set(capsule: RunningCapsule, isRunning: boolean): void {
    const { id, teamId } = capsule
    const sign = isRunning ? 1 : -1
    if (isRunning) this.#byId.set(id, capsule)
    else this.#byId.delete(id)
    const now = plus(this.of(teamId), capsule, sign)
    if (now.running === 0) this.#byTeam.delete(teamId)
    else this.#byTeam.set(teamId, now)
  }
}

/** What is reserved with one capsule more, or less. */
export function plus({ running, vcpus, memoryMb }: Reserved, one: RunningCapsule, sign: 1 | -1 = 1): Reserved {
  return { running: running + sign, vcpus: vcpus + sign * one.vcpus, memoryMb: memoryMb + sign * one.memoryMb }
}
