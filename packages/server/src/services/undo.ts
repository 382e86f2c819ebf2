import type { Context } from './context.js'

/** What has to be taken back if a later step fails; filled as things are acquired, run from the last to the first. */
export class Undo {
  readonly #steps: { what: string; run: () => Promise<void> }[] = []

  constructor(private readonly context: Pick<Context, 'log' | 'owed'>) {}

  /** A step that fails is logged. */
  add(what: string, run: () => Promise<void>): void {
    this.#steps.push({ what, run })
  }

  /** A step that is tried again until it is done. @param what with the id that it is about */
  owe(what: string, run: () => Promise<void>): void {
    this.add(what, () => this.context.owed.pay(what, run))
  }

  /** What was done stands: nothing of it is taken back any more. */
  clear(): void {
    this.#steps.length = 0
  }

  /** Takes everything back. A step that fails does not keep the others from running. */
  async run(): Promise<void> {
    for (const { what, run } of this.#steps.splice(0).reverse()) {
      try {
        await run()
      } catch (error) {
        this.context.log.error({ err: error }, `could not undo: ${what}`)
      }
    }
  }
}
