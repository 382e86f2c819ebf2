import type { Logger } from 'pino'

/** What has to be taken back if a later step fails; filled as things are acquired, run from the last to the first. */
export class Undo {
  readonly #steps: { what: string; run: () => Promise<void> }[] = []

  constructor(private readonly log: Logger) {}

  add(what: string, run: () => Promise<void>): void {
    this.#steps.push({ what, run })
  }

  /** What was done stands: nothing of it is taken back any more. */
  clear(): void {
    this.#steps.length = 0
  }

  /** Takes everything back. A step that fails is logged and does not keep the others from running. */
  async run(): Promise<void> {
    for (const { what, run } of this.#steps.splice(0).reverse()) {
      try {
        await run()
      } catch (error) {
        this.log.error({ err: error }, `could not undo: ${what}`)
      }
    }
  }
}
