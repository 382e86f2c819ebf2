import { isProblem, Problem, type VerificationBody, type VerifiedPart } from '@wrenn/wire'
import type { Version } from '../store/store.js'
import { Alarm, toIso } from './clock.js'
import type { Caller, Context } from './context.js'
import type { Damage } from './damage.js'
import { atVersion, resolve, sourceOf } from './template.js'

/** The files of a version are read again this long after they were read last, in milliseconds. */
const PERIOD_MS = 7 * 24 * 3_600_000
/** How far apart two such readings begin at least, in milliseconds: what users do comes first. */
const APART_MS = 5 * 60_000

/** Compares the files of versions with the digests that were taken when they were made. */
export class Verification {
  readonly #alarm: Alarm
  #reading: Promise<void> = Promise.resolve()

  constructor(
    private readonly context: Context,
    private readonly damage: Damage,
  ) {
    this.#alarm = new Alarm(context.clock)
  }

  /**
   * Reads every part of a version, by default of the one that the name means, and marks what is found.
   * @throws Problem `not_found`; what the host says
   */
  async verify({ teamId }: Caller, name: string, number?: number): Promise<VerificationBody> {
    const { store } = this.context
    const present = await resolve(store, teamId, name)
    const { version } = number === undefined ? present : await atVersion(store, present, number)
    const parts = await this.#read(version)
    return {
      name,
      version: version.number ?? 0,
      ok: isWhole(parts),
      parts: parts.map(({ name, bytes, problem }) => ({
        ...{ name, bytes, ok: problem === undefined },
        ...(problem === undefined ? {} : { problem }),
      })),
    }
  }

  /** From now on every version is read once in a while, one at a time. */
  begin(): void {
    this.#wait(this.context.clock.now() + APART_MS)
  }

  stop(): void {
    this.#alarm.stop()
  }

  /** Resolves when what is being read in the background was read. */
  idle(): Promise<void> {
    return this.#reading
  }

  #wait(due: number): void {
    this.#alarm.set(due, () => {
      this.#reading = this.#next().then((next) => this.#wait(next))
    })
  }

  /** Reads the one that was read the longest ago. @returns when to look again */
  async #next(): Promise<number> {
    const { store, clock, log } = this.context
    const soon = clock.now() + APART_MS
    try {
      const version = await store.versions.leastChecked()
      if (!version) return clock.now() + PERIOD_MS
      const due = Date.parse(version.checkedAt ?? version.createdAt) + PERIOD_MS
      if (due > clock.now()) return Math.max(due, soon)
      // One that cannot be read must not keep the others from being read.
      await store.versions.checked(version.id, toIso(clock.now()))
      await this.#read(version)
    } catch (err) {
      log.warn({ err }, 'a template could not be verified')
    }
    return soon
  }

  /** @throws Problem `not_found` when it was removed meanwhile */
  async #read(version: Version): Promise<VerifiedPart[]> {
    const { store, clock, fleet } = this.context
    const parts = await fleet.pick().verify(sourceOf(version)).catch(asParts)
    const now = await store.versions.get(version.id)
    if (now?.state !== 'ready') throw new Problem('not_found', 'The version was deleted while it was verified.')
    await this.damage.mark(now, isWhole(parts) ? null : inWords(parts))
    await store.versions.checked(version.id, toIso(clock.now()))
    return parts
  }
}

/** What cannot even be opened is a finding, and no failure. */
function asParts(error: unknown): VerifiedPart[] {
  if (isProblem(error) && error.code === 'template_corrupt')
    return [{ name: 'manifest', bytes: 0, problem: error.message }]
  throw error
}

function isWhole(parts: readonly VerifiedPart[]): boolean {
  return parts.every(({ problem }) => problem === undefined)
}

function inWords(parts: readonly VerifiedPart[]): string {
  const found = parts.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]))
  return found.join('; ')
}
