import type { Name, Store } from '../store/store.js'
import { Cautious } from './cautious.js'
import { Alarm } from './clock.js'
import type { Context } from './context.js'
import { system, templateDeleted } from './events/action.js'
import type { Events } from './events/events.js'
import type { Retired } from './retired.js'
import { expiries, surplus } from './surplus.js'
import { buryName } from './template.js'

/** How long after a failure it is tried again, in milliseconds. */
const AGAIN_MS = 60_000

/** Retires what the rule of its name does not keep, with one timer for whatever expires next. */
export class Retention {
  readonly #alarm: Alarm
  readonly #time: Cautious
  #tending: Promise<void> = Promise.resolve()

  constructor(
    private readonly context: Context,
    private readonly parts: { retired: Retired; events: Events },
  ) {
    this.#alarm = new Alarm(context.clock)
    this.#time = new Cautious(context.clock)
  }

  /** Begins to retire what has expired, to remove what nothing needs, and to wait for what expires next. */
  tend(): void {
    this.#tending = this.#tending.then(() => this.#tend())
  }

  /** Resolves when all that was begun so far has ended. */
  async idle(): Promise<void> {
    await this.#tending
    await this.parts.retired.idle()
  }

  stop(): void {
    this.#alarm.stop()
  }

  async #tend(): Promise<void> {
    const { store, log } = this.context
    const at = this.#time.now()
    let next: number
    try {
      next = await store.transaction((within) => this.#expireAll(within, at))
    } catch (err) {
      log.error({ err }, 'what has expired could not be retired')
      next = at + AGAIN_MS
    }
    this.parts.retired.sweep()
    if (next === Infinity) this.#alarm.clear()
    else this.#alarm.in(next - at, () => this.tend())
  }

  /** @returns when the next one expires; Infinity: none does */
  async #expireAll(store: Store, at: number): Promise<number> {
    let next = Infinity
    for (const name of await store.names.expiring()) {
      const versions = await store.versions.kept(name.id)
      if (name.expiresIn === null || versions.length === 0) continue
      const times = expiries({ versions, currentId: name.versionId }, name.expiresIn)
      const expired = versions.filter((version) => times.get(version)! <= at)
      for (const { id } of expired) await store.versions.retire(id)
      if (expired.some(({ id }) => id === name.versionId)) await this.#bury(store, name)
      else next = Math.min(next, ...versions.filter((one) => !expired.includes(one)).map((one) => times.get(one)!))
    }
    return next
  }

  async #bury(store: Store, row: Name): Promise<void> {
    await buryName(store, row)
    const deleted = templateDeleted(row.name, { actor: system, metadata: { reason: 'expired' } })
    store.afterCommit(() => this.parts.events.publish(row.teamId, deleted))
  }
}

/** Retires what is too many of a name, in the transaction that made it so. */
export async function retireSurplus(store: Store, { id, versionId, keepVersions }: Name): Promise<void> {
  const versions = await store.versions.kept(id)
  for (const one of surplus({ versions, currentId: versionId }, keepVersions)) await store.versions.retire(one.id)
}
