import type { Logger } from 'pino'

type Release = () => unknown

/**
 * What has been acquired so far and how to give it back. Each release is registered right after its acquisition
 * succeeded; leaving the scope (`await using`) runs them last in, first out, unless `keep` was called.
 */
export class Undo implements AsyncDisposable {
  readonly #releases: { what: string; release: Release }[] = []

  constructor(private readonly log: Logger) {}

  /** Registers how to give back `what`, which was just acquired. */
  add(what: string, release: Release): void {
    this.#releases.push({ what, release })
  }

  /** The whole succeeded: nothing is given back. */
  keep(): void {
    this.#releases.length = 0
  }

  /** Gives everything back. A release that fails is logged and does not stop the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let entry = this.#releases.pop(); entry; entry = this.#releases.pop()) {
      try {
        await entry.release()
      } catch (err) {
        this.log.error({ err, what: entry.what }, 'could not be undone')
      }
    }
  }
}
