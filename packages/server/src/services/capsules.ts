import { Problem, type CapsuleBody } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule, toBody } from './capsule.js'
import { toIso } from './clock.js'
import type { Caller, Context } from './context.js'
import { actorOf, onCapsule } from './events/action.js'
import type { Actions } from './events/actions.js'

/** How often a delete waits for what is under way before it gives up; each time something else had begun meanwhile. */
const DELETE_TRIES = 5

/** What is there, and its end. */
export class Capsules {
  constructor(
    private readonly context: Context,
    private readonly parts: { background: Background; activity: Activity; actions: Actions },
  ) {}

  /** Those that are alive, newest first. */
  async list({ teamId }: Caller): Promise<CapsuleBody[]> {
    return (await this.context.store.capsules.listAlive(teamId)).map((capsule) => toBody(capsule, this.context))
  }

  /** @throws Problem `not_found` */
  async get(caller: Caller, id: string): Promise<CapsuleBody> {
    const capsule = await this.#find(caller, id)
    return toBody(capsule, this.context, { usedBytes: await this.#usedBytes(capsule), withRenewal: true })
  }

  /** Resets the idle timer. @throws Problem `not_found`, `invalid_state` */
  async ping(caller: Caller, id: string): Promise<void> {
    const { store, clock, log } = this.context
    const capsule = await this.#find(caller, id)
    assertRunning(capsule)
    this.parts.activity.touch(id)
    await store.capsules
      .active(id, toIso(clock.now()))
      .catch((err: unknown) => log.warn({ err, capsule: id }, 'activity could not be noted'))
  }

  /** Ends a capsule, in whatever state it is; one that has ended already stays so. @throws Problem `not_found` */
  async delete(caller: Caller, id: string): Promise<void> {
    const { store, owed } = this.context
    const { background, actions } = this.parts
    const { teamId } = caller
    const action = onCapsule('capsule.destroy', { id, teamId }, { actor: actorOf(caller) })
    for (let tries = 0; tries < DELETE_TRIES; tries++) {
      const { status } = await this.#find(caller, id)
      if (status === 'stopped') return
      if (await store.capsules.begin(id, 'destroy'))
        return background.run(id, () => actions.run(action, () => this.#destroy(caller, id)))
      // A start that is under way sees that it was abandoned, and takes itself back.
      if (status === 'starting') await actions.run(action, () => store.capsules.move(id, 'abandoned'))
      await background.settled(id)
      await owed.retry()
    }
    throw new Problem('invalid_state', 'Something else keeps being done to this capsule.', { hint: 'Try again.' })
  }

  async #destroy(caller: Caller, id: string): Promise<void> {
    const { store, fleet, owed } = this.context
    const host = fleet.hostFor(id)
    let snapshotId: string | null
    try {
      ;({ snapshotId } = await this.#find(caller, id))
      await host.destroy(id)
    } catch (error) {
      await owed.pay(`the delete of ${id}`, () => store.capsules.end(id, 'destroy'))
      throw error
    }
    // From here on it is gone, and there is no way back.
    await owed.insist(`the delete of ${id}`, async () => {
      await store.capsules.move(id, 'destroyed', { snapshotId: null })
      this.parts.activity.forget(id)
      if (snapshotId !== null) await owed.pay(`the snapshot ${snapshotId}`, () => host.deleteSnapshot(snapshotId))
    })
  }

  async #usedBytes({ id, status }: Capsule): Promise<number | undefined> {
    if (status !== 'running') return undefined
    const host = this.context.fleet.hostFor(id)
    return host.diskUsedBytes(id).catch(() => undefined)
  }

  async #find({ teamId }: Caller, id: string): Promise<Capsule> {
    return findCapsule(await this.context.store.capsules.find(teamId, id))
  }
}
