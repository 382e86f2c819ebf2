import type { SnapshotInfo, TemplateBody } from '@wrenn/wire'
import type { Labels, Template } from '../store/store.js'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { claim, dropClaim, publish, published, type Claim, type Wanted } from './claim.js'
import { toIso } from './clock.js'
import type { Caller, Context, Timed } from './context.js'
import { actorOf, onTemplate, type Action } from './events/action.js'
import type { Actions } from './events/actions.js'
import type { Begun } from './idempotency.js'
import type { Retention } from './retention.js'
import { toBody } from './template.js'
import { Undo } from './undo.js'

interface Parts {
  background: Background
  retention: Retention
  activity: Activity
  actions: Actions
}

/** The capture of running capsules as templates. */
export class Snapshots {
  constructor(
    private readonly context: Context,
    private readonly parts: Parts,
  ) {}

  /**
   * Captures a capsule under a name, and destroys it unless it is to be kept. Whoever asked may leave: it is completed.
   * @throws Problem `name_reserved`, `conflict`, `not_found`, `invalid_state`, and what the host says; then the source
   * runs on and the name means what it did
   */
  async create(caller: Caller, wanted: Wanted, begun?: Begun): Promise<Timed<TemplateBody>> {
    const { store } = this.context
    const made = begun?.earlier === undefined ? undefined : await published(store, begun.earlier)
    if (made) return { body: toBody(made), timings: {} }
    const claimed = await store.transaction(async (within) => {
      const claimed = await claim(within, caller, wanted)
      await begun?.note(within, claimed.versionId)
      return claimed
    })
    return this.parts.background.run(claimed.capsule.id, () => this.#complete(caller, claimed))
  }

  async #complete(caller: Caller, claimed: Claim): Promise<Timed<TemplateBody>> {
    const { template, hooks, timings } = await this.parts.actions.run(action(caller, claimed), (succeeded) =>
      this.#make(claimed, succeeded),
    )
    // The template stands: what becomes of the source cannot undo it any more.
    await this.#leaveSource(claimed)
    this.parts.retention.tend()
    return { body: { ...toBody(template), ...(hooks.length > 0 ? { hooks } : {}) }, timings }
  }

  /** Captures, and makes the name mean what was captured; or takes everything back. */
  async #make(claimed: Claim, succeeded: (more: Labels) => void): Promise<Made> {
    const { store, fleet, clock } = this.context
    const { capsule, versionId, snapshotId, keepSource } = claimed
    const undo = new Undo(this.context)
    undo.owe(`the claim of ${versionId}`, () => store.transaction((within) => dropClaim(within, versionId)))
    undo.owe(`the snapshot of ${capsule.id}`, () => store.capsules.end(capsule.id, 'snapshot'))
    try {
      const host = fleet.hostFor(capsule.id)
      const { hooks, timings, ...facts } = await host.capture({
        capsuleId: capsule.id,
        snapshotId,
        purpose: 'template',
        keepSource,
      })
      if (!keepSource) undo.add('the hold', () => host.release(capsule.id))
      undo.owe(`the snapshot ${snapshotId}`, () => host.deleteSnapshot(snapshotId))
      const at = toIso(clock.now())
      const template = await store.transaction(async (within) => {
        const made = await publish(within, claimed, { ...facts, at })
        within.afterCommit(() => succeeded({ version: String(made.version.number) }))
        return made
      })
      return { template, hooks, timings }
    } catch (error) {
      await undo.run()
      throw error
    }
  }

  async #leaveSource({ capsule: { id }, keepSource }: Claim): Promise<void> {
    const { store, fleet, owed } = this.context
    if (keepSource) return owed.pay(`the snapshot of ${id}`, () => store.capsules.end(id, 'snapshot'))
    this.parts.activity.forget(id)
    await owed.pay(`the removal of ${id}`, () => fleet.hostFor(id).destroy(id))
  }
}

interface Made extends Pick<SnapshotInfo, 'hooks' | 'timings'> {
  template: Template
}

function action(caller: Caller, { name, capsule: { id } }: Claim): Action {
  return {
    kind: 'template.snapshot.create',
    teamId: caller.teamId,
    actor: actorOf(caller),
    resource: onTemplate(name),
    capsuleId: id,
    metadata: { source: id },
  }
}
