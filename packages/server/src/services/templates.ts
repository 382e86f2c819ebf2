import type { TemplateBody } from '@wrenn/wire'
import type { Store } from '../store/store.js'
import type { Caller, Context } from './context.js'
import type { Cost } from './cost.js'
import { actorOf, templateDeleted } from './events/action.js'
import type { Events } from './events/events.js'
import type { Retired } from './retired.js'
import { assertOwn, buryName, resolve, toBody } from './template.js'

/** The names that capsules are started from: the team's own and the platform's. */
export class Templates {
  readonly #store: Store

  constructor(
    { store }: Context,
    private readonly parts: { retired: Retired; cost: Cost; events: Events },
  ) {
    this.#store = store
  }

  /** Newest first. A type that does not exist has no templates. */
  async list({ teamId }: Caller, type?: string): Promise<TemplateBody[]> {
    const bodies = (await this.#store.templates.list([teamId, this.#store.teams.platformId])).map(toBody)
    return type === undefined ? bodies : bodies.filter((body) => body.type === type)
  }

  /** @throws Problem `not_found` */
  async get({ teamId }: Caller, name: string): Promise<TemplateBody> {
    const template = await resolve(this.#store, teamId, name)
    return { ...toBody(template), ...(await this.parts.cost.of(template.version)) }
  }

  /**
   * Makes the name mean nothing. Its files go when nothing needs them any more.
   * @throws Problem `forbidden` for a platform template; `not_found`
   */
  async delete(caller: Caller, name: string): Promise<void> {
    const { teamId } = caller
    await this.#store.transaction(async (store) => {
      const template = await resolve(store, teamId, name)
      assertOwn(template)
      await buryName(store, { id: template.version.templateId, name, teamId })
      store.afterCommit(() => this.parts.events.publish(teamId, templateDeleted(name, { actor: actorOf(caller) })))
    })
    this.parts.retired.sweep()
  }
}
