import { Problem, type CapsuleBody, type HostClient } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { assertPaused, findCapsule, take, templateOf, toBody } from './capsule.js'
import { toIso } from './clock.js'
import type { Caller, Context, Timed } from './context.js'
import type { Ends } from './ends.js'
import { actorOf, onCapsule } from './events/action.js'
import type { Actions } from './events/actions.js'
import { Undo } from './undo.js'

interface Parts {
  background: Background
  activity: Activity
  ends: Ends
  actions: Actions
}

/** Lets paused capsules go on, exactly where they were. */
export class Resuming {
  constructor(
    private readonly context: Context,
    private readonly parts: Parts,
  ) {}

  /**
   * Whoever asked may leave: it is completed.
   * @throws Problem `not_found`, `invalid_state`, and what the host says; then it stays paused and may be tried again
   */
  async resume(caller: Caller, id: string): Promise<Timed<CapsuleBody>> {
    const { store } = this.context
    const { background, actions } = this.parts
    return background.run(id, async () => {
      const paused = await take(store, { teamId: caller.teamId, id, operation: 'resume', assert: assertPaused })
      const action = onCapsule('capsule.resume', paused, { actor: actorOf(caller) })
      return actions.run(action, () => this.#resume(paused))
    })
  }

  async #resume(paused: Capsule): Promise<Timed<CapsuleBody>> {
    const { store, fleet, owed } = this.context
    const { id, teamId } = paused
    const snapshotId = pauseOf(paused)
    const host = fleet.hostFor(id)
    const { timings } = await this.#goOn(host, paused, snapshotId)
    const capsule = findCapsule(await store.capsules.find(teamId, id))
    this.parts.activity.watch(capsule)
    await owed.pay(`the snapshot ${snapshotId}`, () => host.deleteSnapshot(snapshotId))
    return { body: toBody(capsule, this.context, { withRenewal: true }), timings }
  }

  /** Starts the capsule and makes it running; or takes everything back. */
  async #goOn(host: HostClient, capsule: Capsule, snapshotId: string) {
    const { store } = this.context
    const { id, vcpus, memoryMb, network } = capsule
    const undo = new Undo(this.context)
    undo.owe(`the resume of ${id}`, () => store.capsules.end(id, 'resume'))
    const watch = this.parts.ends.watch(id)
    try {
      // What is left of it where its pause could not remove it.
      await host.destroy(id)
      const source = { kind: 'snapshot', snapshotId } as const
      const started = await host.start({
        ...{ capsuleId: id, source, vcpus, memoryMb, network },
        template: templateOf(capsule),
      })
      undo.add('the start', () => host.destroy(id))
      await store.transaction(async (within) => {
        const lastActiveAt = toIso(this.context.clock.now())
        if (!(await within.capsules.move(id, 'resumed', { snapshotId: null, lastActiveAt, renewal: started.renewal })))
          throw new Problem('invalid_state', 'The capsule was not paused any more.')
        if (watch.reason !== undefined)
          throw new Problem('host_unavailable', `The capsule ended as soon as it went on: ${watch.reason}.`)
      })
      return started
    } catch (error) {
      await undo.run()
      throw error
    } finally {
      watch.stop()
    }
  }
}

function pauseOf({ id, snapshotId }: Capsule): string {
  if (snapshotId === null) throw new Error(`the paused capsule ${id} has no pause`)
  return snapshotId
}
