/** Those who do operations at random, several at once. */
import { operations } from './operations/index.js'
import type { Job, Run } from './run.js'
import { settle } from './settle.js'
import { Failed, Wrong } from './tally.js'

/** Does one operation after the other until it is told to stop, or to wait. */
export class Workers {
  readonly #turns = new Set<Promise<void>>()
  #freed: (() => void)[] = []
  #isHeld = false
  #isOver = false

  constructor(private readonly run: Run) {}

  /** Resolves when they have been stopped. */
  async work(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#one()))
  }

  /** Begins nothing new, and resolves when nothing is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true
    while (this.#turns.size > 0) await Promise.all(this.#turns)
  }

  goOn(): void {
    this.#isHeld = false
    this.#wake()
  }

  stop(): void {
    this.#isOver = true
    this.#wake()
  }

  async #one(): Promise<void> {
    while (!this.#isOver) {
      const job = this.#isHeld ? undefined : this.#choose()
      if (!job) {
        await new Promise<void>((resolve) => this.#freed.push(resolve))
        continue
      }
      const turn = this.#turn(job)
      this.#turns.add(turn)
      await turn
      this.#turns.delete(turn)
      this.#wake()
    }
  }

  /** One that is possible now. */
  #choose(): Job | undefined {
    let left = [...operations]
    while (left.length > 0) {
      const tried = this.run.random.weighted(left.map((one) => [one.weight, one] as const))
      const job = tried.take(this.run)
      if (job) return job
      left = left.filter((one) => one !== tried)
    }
    return undefined
  }

  async #turn(job: Job): Promise<void> {
    try {
      await job.work()
    } catch (error) {
      this.#note(error)
      await settle(this.run, job).catch((further: unknown) => this.#note(further))
    } finally {
      job.free?.()
      for (const taken of [job.capsule, job.template]) if (taken) taken.isBusy = false
    }
  }

  #note(error: unknown): void {
    if (error instanceof Failed) return
    this.run.tally.wrong.push(error instanceof Wrong ? error.message : `the soak itself: ${String(error)}`)
  }

  #wake(): void {
    const freed = this.#freed
    this.#freed = []
    for (const go of freed) go()
  }
}
