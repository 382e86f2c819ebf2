import type { Version } from '../store/store.js'
import type { Context } from './context.js'

/** Removes what no name means any more, as soon as no capsule is starting from it. */
export class Retired {
  #sweeping: Promise<void> = Promise.resolve()

  constructor(private readonly context: Context) {}

  /** Begins to remove what can be removed now; a failure is logged and made good by a later sweep. */
  sweep(): void {
    this.#sweeping = this.#sweeping.then(() => this.#sweep()).catch((error: unknown) => this.#failed(error))
  }

  /** Resolves when every sweep begun so far has ended. */
  idle(): Promise<void> {
    return this.#sweeping
  }

  async #sweep(): Promise<void> {
    for (const version of await this.context.store.versions.removable())
      await this.#remove(version).catch((error: unknown) => this.#failed(error, version.id))
  }

  async #remove({ id, kind, ref, templateId }: Version): Promise<void> {
    if (kind === 'snapshot') for (const host of this.context.fleet.all()) await host.deleteSnapshot(ref)
    await this.context.store.transaction(async (store) => {
      await store.versions.remove(id)
      await store.names.removeIfUnused(templateId)
    })
  }

  #failed(error: unknown, version?: string): void {
    this.context.log.error({ err: error, version }, 'could not remove a retired version')
  }
}
