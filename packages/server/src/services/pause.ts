import { newId, Problem, type CapsuleBody } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule, take, toBody } from './capsule.js'
import type { Caller, Context, Timed } from './context.js'
import { actorOf, onCapsule, system, type By } from './events/action.js'
import type { Actions } from './events/actions.js'
import { Undo } from './undo.js'

/** Keeps capsules on disk, with no process and no memory, until they are asked to go on. */
export class Pausing {
  constructor(
    private readonly context: Context,
    private readonly parts: { background: Background; activity: Activity; actions: Actions },
  ) {
    parts.activity.onIdle((capsule) => this.#whenIdle(capsule))
  }

  /**
   * Pauses a running capsule. Whoever asked may leave: it is completed.
   * @throws Problem `not_found`, `invalid_state`, and what the host says; then the capsule runs on
   */
  async pause(caller: Caller, id: string): Promise<Timed<CapsuleBody>> {
    // The operation begins inside, so that whoever sees it under way can wait for its end.
    return this.parts.background.run(id, async () => {
      const { teamId } = caller
      const capsule = await take(this.context.store, { teamId, id, operation: 'pause', assert: assertRunning })
      return this.#pause(capsule, { actor: actorOf(caller) })
    })
  }

  async #whenIdle({ teamId, id }: { teamId: string; id: string }): Promise<void> {
    const { store, log, owed } = this.context
    const { background, activity } = this.parts
    await background.run(id, async () => {
      const capsule = await store.capsules.find(teamId, id)
      if (capsule?.status !== 'running') return activity.forget(id)
      // Something else is being done to it: that is no idleness.
      if (!(await store.capsules.begin(id, 'pause'))) return
      if (activity.isOpen(id)) return owed.pay(`the pause of ${id}`, () => store.capsules.end(id, 'pause'))
      await this.#pause(capsule, { actor: system, metadata: { reason: 'ttl_expired' } })
      log.info({ capsule: id, seconds: capsule.timeoutSec }, 'paused an idle capsule')
    })
  }

  #pause(capsule: Capsule, by: By): Promise<Timed<CapsuleBody>> {
    return this.parts.actions.run(onCapsule('capsule.pause', capsule, by), () => this.#keep(capsule))
  }

  async #keep(capsule: Capsule): Promise<Timed<CapsuleBody>> {
    const { store, fleet, log } = this.context
    const { id, teamId } = capsule
    const snapshotId = newId('snapshot')
    const undo = new Undo(this.context)
    undo.owe(`the pause of ${id}`, () => store.capsules.end(id, 'pause'))
    try {
      const host = fleet.hostFor(id)
      const { timings } = await host.capture({ capsuleId: id, snapshotId, purpose: 'pause', keepSource: false })
      undo.add('the hold', () => host.release(id))
      undo.owe(`the snapshot ${snapshotId}`, () => host.deleteSnapshot(snapshotId))
      if (!(await store.capsules.move(id, 'paused', { snapshotId })))
        throw new Problem('invalid_state', 'The capsule ended while it was paused.')
      undo.clear()
      this.parts.activity.forget(id)
      // The pause stands whatever becomes of the process: what is left of that is removed before the capsule goes on.
      await host.destroy(id).catch((err: unknown) => log.error({ err, capsule: id }, 'a paused capsule still runs'))
      return { body: toBody(findCapsule(await store.capsules.find(teamId, id)), this.context), timings }
    } catch (error) {
      await undo.run()
      throw error
    }
  }
}
