import type { Activity } from './activity.js'
import type { Context } from './context.js'

/** Watches over a capsule whose row does not say yet that it runs. */
export interface Watch {
  /** Why it ended by itself meanwhile. */
  readonly reason: string | undefined
  stop(): void
}

/** Notes that capsules have ended by themselves. */
export class Ends {
  readonly #watches = new Map<string, { reason: string | undefined }>()

  constructor(
    private readonly context: Context,
    private readonly activity: Activity,
  ) {
    for (const host of context.fleet.all()) host.onGone((id, reason) => void this.#ended(id, reason))
  }

  /**
   * Asked inside of the transaction that moves the capsule to `running`, the watch misses nothing: an end that comes
   * later is noted by a transaction behind that one.
   */
  watch(id: string): Watch {
    const seen: { reason: string | undefined } = { reason: undefined }
    this.#watches.set(id, seen)
    return {
      get reason() {
        return seen.reason
      },
      stop: () => void this.#watches.delete(id),
    }
  }

  async #ended(id: string, reason: string): Promise<void> {
    const watch = this.#watches.get(id)
    if (watch) watch.reason ??= reason
    const { store, owed } = this.context
    await owed.pay(`the end of ${id}`, async () => {
      if (await store.capsules.move(id, 'endedByItself', { reason })) this.activity.forget(id)
    })
  }
}
