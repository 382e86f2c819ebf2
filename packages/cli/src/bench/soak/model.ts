/** What has to be there: capsules and templates with their files, and who is working on which of them. */
import type { Capsule } from 'wrenn'
import type { Random } from '../random.js'

/** Digests of files by their paths; never changed, so that it may be shared. */
export type Content = Readonly<Record<string, string>>

export interface KnownCapsule {
  capsule: Capsule
  content: Content
  isPaused: boolean
  isBusy: boolean
}

export interface KnownTemplate {
  name: string
  /** What it has meant, in order; the last may be under way. */
  meant: Content[]
  /** The first of these that it may still mean. */
  since: number
  /** Whether it is being captured or deleted. */
  isBusy: boolean
  isLeaving: boolean
}

export class Model {
  readonly capsules = new Map<string, KnownCapsule>()
  readonly templates = new Map<string, KnownTemplate>()
  #reserved = 0
  #names = 0

  constructor(private readonly limits: { capsules: number; templates: number }) {}

  /** How many more capsules there may be. */
  get room(): number {
    return this.limits.capsules - this.capsules.size - this.#reserved
  }

  /** Keeps room for capsules that are being made. @returns what gives it back */
  reserve(count: number): () => void {
    this.#reserved += count
    return () => void (this.#reserved -= count)
  }

  add(capsule: Capsule, content: Content): KnownCapsule {
    const known = { capsule, content, isPaused: false, isBusy: false }
    this.capsules.set(capsule.id, known)
    return known
  }

  remove({ capsule }: KnownCapsule): void {
    this.capsules.delete(capsule.id)
  }

  /** Takes a capsule that nobody works on; undefined: there is none. */
  takeCapsule(random: Random, isPaused: boolean): KnownCapsule | undefined {
    const free = [...this.capsules.values()].filter((one) => !one.isBusy && one.isPaused === isPaused)
    if (free.length === 0) return undefined
    const taken = random.pick(free)
    taken.isBusy = true
    return taken
  }

  /** Takes a template that nobody captures or deletes; undefined: there is none. */
  takeTemplate(random: Random): KnownTemplate | undefined {
    const free = [...this.templates.values()].filter((one) => !one.isBusy)
    if (free.length === 0) return undefined
    const taken = random.pick(free)
    taken.isBusy = true
    return taken
  }

  /** Takes a name that is not used yet; undefined: there are as many as there may be. */
  newTemplate(): KnownTemplate | undefined {
    if (this.templates.size >= this.limits.templates) return undefined
    const taken = { name: `soak-${++this.#names}`, meant: [], since: 0, isBusy: true, isLeaving: false }
    this.templates.set(taken.name, taken)
    return taken
  }

  /** A template that can be started from, whatever is being done to it; undefined: there is none. */
  anyTemplate(random: Random): KnownTemplate | undefined {
    // One that is being made for the first time is not there for sure.
    const there = [...this.templates.values()].filter(({ meant, isBusy }) => meant.length > 1 || !isBusy)
    return there.length === 0 ? undefined : random.pick(there)
  }
}

/** What a template may have meant at any time since it `meant` that many contents up to `since`. */
export function meantSince({ meant }: KnownTemplate, since: number): Content[] {
  return meant.slice(since)
}
