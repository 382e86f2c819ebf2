import type { Version } from '../store/store.js'
import type { Context } from './context.js'

/** Removes what no name means any more, as soon as no capsule is starting from it. */
export class Retired {
  #sweeping: Promise<void> = Promise.resolve()

  constructor(private readonly context: Context) {}

  /** Begins to remove what can be removed now; what fails is tried again. */
  sweep(): void {
    const { owed } = this.context
    this.#sweeping = this.#sweeping.then(() => owed.pay('the removal of retired versions', () => this.#sweep()))
  }

  /** Resolves when every sweep begun so far has ended. */
  idle(): Promise<void> {
    return this.#sweeping
  }

  async #sweep(): Promise<void> {
    const failures: unknown[] = []
    // One that cannot be removed must not keep the others.
    for (const version of await this.context.store.versions.removable())
      await this.#remove(version).catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }

  async #remove({ id, kind, ref, templateId }: Version): Promise<void> {
    if (kind === 'snapshot') for (const host of this.context.fleet.all()) await host.deleteSnapshot(ref)
    await this.context.store.transaction(async (store) => {
      await store.versions.remove(id)
      await store.names.removeIfUnused(templateId)
    })
  }
}
