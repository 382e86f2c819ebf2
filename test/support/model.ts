/**
 * A model of the platform, small enough to be right: what capsules hold, what names mean, what is kept. Random sequences
 * are made from it and done to the platform, which has to agree with it all the way.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../packages/cli/src/bench/random.js'

/** The digests of files by their paths; never changed, so that it may be shared. */
export type Files = Readonly<Record<string, string>>

interface Capsule {
  id: string
  files: Files
  isPaused: boolean
}

interface Name {
  versions: Map<number, Files>
  current: number
  last: number
}

/** One step of a sequence, as it is printed. Capsules have labels, since their ids are never the same. */
export type Step =
  | { do: 'start'; from: string }
  | { do: 'write' | 'wipe'; on: string; path: string; bytes: number; seed: number }
  | { do: 'remove'; on: string; path: string }
  | { do: 'snapshot'; on: string; name: string; keep: boolean }
  | { do: 'fork'; on: string; count: number }
  | { do: 'pause' | 'resume' | 'delete capsule' | 'compare'; on: string }
  | { do: 'rollback'; name: string; to?: number }
  | { do: 'delete version'; name: string; version: number }
  | { do: 'delete name'; name: string }
  | { do: 'restart' }

export interface Limits {
  capsules: number
  names: number
  /** Of a file. */
  bytes: number
  /** How many files a capsule may be given in each of the two places. */
  files: number
}

/** How many versions of a name are kept when nothing is said. */
const KEPT = 3
export const places = ['/dev/shm/model', '/root/model'] as const

export class Model {
  readonly capsules = new Map<string, Capsule>()
  readonly names = new Map<string, Name>()
  #labels = 0

  constructor(private readonly limits: Limits) {}

  add(id: string, files: Files): string {
    const label = `c${++this.#labels}`
    this.capsules.set(label, { id, files, isPaused: false })
    return label
  }

  get(label: string): Capsule {
    return this.capsules.get(label)!
  }

  put(label: string, path: string, content: Buffer): void {
    const capsule = this.get(label)
    capsule.files = { ...capsule.files, [path]: digest(content) }
  }

  drop(label: string, path: string): void {
    const capsule = this.get(label)
    capsule.files = Object.fromEntries(Object.entries(capsule.files).filter(([one]) => one !== path))
  }

  /** What a start from there gives. */
  filesOf(from: string): Files {
    const [name = '', version] = from.split('@')
    const known = this.names.get(name)
    return known ? known.versions.get(version === undefined ? known.current : Number(version))! : {}
  }

  /** A snapshot was taken; the number of its version. */
  snapshot(label: string, name: string): number {
    const known = this.names.get(name) ?? { versions: new Map<number, Files>(), current: 0, last: 0 }
    known.current = ++known.last
    known.versions.set(known.current, this.get(label).files)
    const others = [...known.versions.keys()].filter((number) => number !== known.current).sort((a, b) => b - a)
    for (const number of others.slice(KEPT - 1)) known.versions.delete(number)
    this.names.set(name, known)
    return known.current
  }

  /** The version that a rollback without a number leads to; undefined: there is none. */
  before(name: string): number | undefined {
    const { versions, current } = this.names.get(name)!
    return [...versions.keys()].filter((number) => number < current).sort((a, b) => b - a)[0]
  }

  /** How many snapshots have to be on the disk. */
  get kept(): number {
    const versions = [...this.names.values()].reduce((sum, name) => sum + name.versions.size, 0)
    return versions + [...this.capsules.values()].filter(({ isPaused }) => isPaused).length
  }

  /** Everything that may be started from. */
  get templates(): string[] {
    const versions = [...this.names].flatMap(([name, { versions }]) => [...versions.keys()].map((n) => `${name}@${n}`))
    return [...this.names.keys(), ...versions]
  }

  /** Chooses what is done next, of what is possible now. */
  next(random: Random): Step {
    const all = [...this.capsules.keys()]
    const [running, paused] = [all.filter((on) => !this.get(on).isPaused), all.filter((on) => this.get(on).isPaused)]
    const room = this.limits.capsules - all.length
    const offers: [number, () => Step][] = [[1, () => ({ do: 'restart' })]]
    const offer = (weight: number, isPossible: boolean, step: () => Step) => isPossible && offers.push([weight, step])
    offer(running.length === 0 ? 30 : 1, room > 0, () => ({ do: 'start', from: 'minimal' }))
    offer(8, room > 0 && this.names.size > 0, () => ({ do: 'start', from: random.pick(this.templates) }))
    offer(4, all.length > 1, () => ({ do: 'delete capsule', on: random.pick(all) }))
    offer(10, paused.length > 0, () => ({ do: 'resume', on: random.pick(paused) }))
    if (running.length > 0) {
      offers.push([30, () => this.#write(random, random.pick(running))], [8, () => this.#take(random, running)])
      offers.push([4, () => ({ do: 'pause', on: random.pick(running) })])
      offer(3, room > 0, () => ({
        do: 'fork',
        on: random.pick(running),
        count: 1 + random.below(Math.min(3, room)),
      }))
    }
    offers.push(...this.#onNames(random))
    return random.weighted(offers)()
  }

  #write(random: Random, on: string): Step {
    const path = `${random.pick(places)}/${random.pick(['', 'deep/'])}f${random.below(this.limits.files)}`
    const isThere = path in this.get(on).files
    const bytes = random.weighted([
      [1, 0],
      [3, random.below(200)],
      [6, random.below(this.limits.bytes)],
    ] as const)
    const written: Step = { do: 'write', on, path, bytes, seed: random.below(2 ** 31) }
    if (!isThere) return written
    return random.weighted<Step>([
      [4, written],
      [3, { do: 'wipe', on, path, bytes, seed: 0 }],
      [2, { do: 'remove', on, path }],
    ])
  }

  #take(random: Random, running: string[]): Step {
    const name = `n${random.below(this.limits.names)}`
    return { do: 'snapshot', on: random.pick(running), name, keep: random.below(3) > 0 }
  }

  #onNames(random: Random): [number, () => Step][] {
    if (this.names.size === 0) return []
    const name = random.pick([...this.names.keys()])
    const { versions, current } = this.names.get(name)!
    const old = [...versions.keys()].filter((number) => number !== current)
    const offers: [number, () => Step][] = [
      [1, () => ({ do: 'rollback', name })],
      [1, () => ({ do: 'delete name', name })],
    ]
    if (old.length > 0) {
      offers.push([3, () => ({ do: 'rollback', name, to: random.pick(old) })])
      offers.push([1, () => ({ do: 'delete version', name, version: random.pick(old) })])
    }
    return offers
  }
}

export function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
