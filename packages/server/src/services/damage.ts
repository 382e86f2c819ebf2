import { isProblem, Problem } from '@wrenn/wire'
import type { Template, Version } from '../store/store.js'
import type { Context } from './context.js'

/** Versions whose files are not what was written: they are marked, shown as such, and not started. */
export class Damage {
  constructor(private readonly context: Context) {
    for (const host of context.fleet.all()) host.onDamaged((ref, what) => void this.#reported(ref, what))
  }

  /** Marks the version when `error` says that it is damaged, unless it is known already. */
  async suspect({ id }: Version, error: unknown): Promise<void> {
    if (!isProblem(error) || error.code !== 'template_corrupt') return
    const known = await this.context.store.versions.get(id)
    if (known && known.damage === null) await this.mark(known, error.message)
  }

  /** Says what is wrong with a version; null: nothing (any more). */
  async mark({ id, damage }: Pick<Version, 'id' | 'damage'>, what: string | null): Promise<void> {
    if (damage === what) return
    await this.context.store.versions.mark(id, what)
    const { log } = this.context
    if (what === null) log.info({ version: id }, 'a template that was damaged is whole again')
    else log.error({ version: id, what }, 'a template is damaged')
  }

  async #reported(ref: string, what: string): Promise<void> {
    const { store, log } = this.context
    try {
      const version = await store.versions.byRef(ref)
      if (version) await this.mark(version, what)
      else log.error({ snapshot: ref, what }, 'a pause is damaged')
    } catch (err) {
      log.error({ err, snapshot: ref, what }, 'the damage of a snapshot could not be noted')
    }
  }
}

/** @throws Problem `template_corrupt` */
export function assertWhole({ name, version: { number, damage } }: Pick<Template, 'name' | 'version'>): void {
  if (damage === null) return
  throw new Problem('template_corrupt', `Version ${number ?? 0} of "${name}" is damaged: ${damage}`, {
    hint: 'Use another version of it (GET …/versions), or roll back to one. It is started again once a verification finds it whole.',
  })
}
