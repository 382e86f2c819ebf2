/** Networks that are ready for capsules to come, so that a start waits for none. */
import pLimit from 'p-limit'
import type { Logger } from 'pino'
import { freeNumbers, numberOf } from './addresses.js'
import { links } from './commands.js'
import { removeHalfMade, removeSlots, Slot, slotsOf, type SlotPlace, type Surroundings } from './slot.js'

/** How often another number is tried when one turns out to be taken in the same instant by another server. */
const TRIES = 5

export interface PoolOptions {
  place: Omit<SlotPlace, 'number'>
  surroundings: Surroundings
  /** How many are kept ready. */
  size: number
  log: Logger
}

export class Pool {
  readonly #options: PoolOptions
  readonly #ready: Slot[] = []
  /** Made and removed one after the other, behind the starts. */
  readonly #work = pLimit(1)
  /** How many are on their way to the ready ones. */
  #coming = 0
  /** Numbers that are being made into networks: their links are not there yet. */
  readonly #claimed = new Set<number>()
  /** Numbers of networks that are to be removed: they stay until that has succeeded, for want of a process it may not. */
  readonly #left = new Set<number>()
  /** Numbers of networks that could not be made, of which something may be there. */
  readonly #halfMade = new Set<number>()
  #isClosed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Makes as many as there should be, in the background. */
  fill(): void {
    while (!this.#isClosed && this.#ready.length + this.#coming < this.#options.size) {
      this.#coming++
      void this.#work(() => this.#refill()).finally(() => this.#coming--)
    }
  }

  /** A network for a capsule, which was made before where there is one. @throws when none can be made */
  async take(): Promise<Slot> {
    const slot = this.#ready.shift() ?? (await this.#make())
    this.fill()
    return slot
  }

  /** Removes a network in the background. */
  release({ number }: Slot): void {
    this.#left.add(number)
    void this.#work(() => this.#removeLeft()).catch((err: unknown) =>
      this.#options.log.error({ err, number }, 'a network could not be removed: it is tried again with the next one'),
    )
  }

  /** Resolves when all that was begun is done. */
  async idle(): Promise<void> {
    while (this.#work.activeCount + this.#work.pendingCount > 0) await this.#work(() => {})
  }

  /** Removes those that nobody took. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.idle()
    for (const { number } of this.#ready.splice(0)) this.#left.add(number)
    await this.#removeLeft()
  }

  async #removeLeft(): Promise<void> {
    const { owner } = this.#options.place
    for (const [numbers, remove] of [
      [this.#left, removeSlots],
      [this.#halfMade, removeHalfMade],
    ] as const) {
      const those = [...numbers]
      if (those.length > 0) await remove(owner, those)
      for (const number of those) numbers.delete(number)
    }
  }

  async #refill(): Promise<void> {
    if (this.#isClosed) return
    try {
      this.#ready.push(await this.#make())
    } catch (err) {
      this.#options.log.error({ err }, 'a network could not be made ready')
    }
  }

  async #make(): Promise<Slot> {
    const { place, surroundings } = this.#options
    const refused = new Set<number>()
    for (;;) {
      const number = await this.#claim(refused)
      try {
        return await Slot.make({ ...place, number }, surroundings)
      } catch (error) {
        refused.add(number)
        this.#halfMade.add(number)
        if (refused.size >= TRIES) throw error
      } finally {
        this.#claimed.delete(number)
      }
    }
  }

  async #claim(refused: ReadonlySet<number>): Promise<number> {
    const { owner, pool } = this.#options.place
    const [ends, own] = await Promise.all([links(), slotsOf(owner)])
    const present = ends.map(numberOf).filter((number) => number !== undefined)
    const taken = new Set([...present, ...own, ...refused, ...this.#claimed, ...this.#left, ...this.#halfMade])
    const [number] = freeNumbers(pool, taken, 1)
    if (number === undefined) throw new Error(`all of ${pool} is in use`)
    this.#claimed.add(number)
    return number
  }
}
