import { Problem, type TemplateBody, type VersionBody } from '@wrenn/wire'
import type { Store, Template } from '../store/store.js'
import type { Caller, Context } from './context.js'
import type { Cost } from './cost.js'
import { assertWhole } from './damage.js'
import type { Retired } from './retired.js'
import { assertOwn, atVersion, resolve, toBody } from './template.js'

/** What names meant before, and going back to it. */
export class Versions {
  readonly #store: Store

  constructor(
    { store }: Context,
    private readonly parts: { retired: Retired; cost: Cost },
  ) {
    this.#store = store
  }

  /** Those that are kept, newest first. @throws Problem `not_found` */
  async list({ teamId }: Caller, name: string): Promise<VersionBody[]> {
    const { template, versions } = await this.#store.transaction(async (store) => {
      const template = await resolve(store, teamId, name)
      return { template, versions: await store.versions.kept(template.version.templateId) }
    })
    const bodies: VersionBody[] = []
    for (const version of versions) {
      const cost = await this.parts.cost.of(version)
      bodies.push({ ...toBody({ ...template, version }), ...cost, current: version.id === template.version.id })
    }
    return bodies
  }

  /**
   * Removes an old version. Its files go when nothing needs them any more.
   * @throws Problem `not_found`; `forbidden` for a platform template; `conflict` for the one that the name means
   */
  async delete({ teamId }: Caller, name: string, number: number): Promise<void> {
    await this.#store.transaction(async (store) => {
      const template = await resolve(store, teamId, name)
      assertOwn(template)
      const { version } = await atVersion(store, template, number)
      if (version.id === template.version.id)
        throw new Problem('conflict', `Version ${number} is what "${name}" means.`, {
          hint: 'Roll back to another version first, or delete the template.',
        })
      await store.versions.retire(version.id)
    })
    this.parts.retired.sweep()
  }

  /**
   * Makes the name mean another of its versions, by default the one before, in one step.
   * @throws Problem `not_found`; `forbidden` for a platform template; `template_corrupt` for a damaged version
   */
  async rollback({ teamId }: Caller, name: string, number?: number): Promise<TemplateBody> {
    return this.#store.transaction(async (store) => {
      const template = await resolve(store, teamId, name)
      assertOwn(template)
      const target = await atVersion(store, template, number ?? (await numberBefore(store, template)))
      assertWhole(target)
      await store.names.point(target.version.templateId, target.version.id)
      return toBody(target)
    })
  }
}

/** @throws Problem `not_found` */
async function numberBefore(store: Store, { name, version }: Template): Promise<number> {
  const numbers = (await store.versions.kept(version.templateId)).map((one) => one.number ?? 0)
  const before = numbers.find((number) => number < (version.number ?? 0))
  if (before !== undefined) return before
  throw new Problem('not_found', `There is no version of "${name}" before the present one.`, {
    hint: `GET /v1/snapshots/${name}/versions lists those that are kept.`,
  })
}
