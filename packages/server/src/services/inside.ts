import { setTimeout as sleep } from 'node:timers/promises'
import { Problem, type Guest } from '@wrenn/wire'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule } from './capsule.js'
import type { Capsule } from '../store/store.js'
import type { Caller, Context } from './context.js'
import type { CapsuleEnvs } from './envs.js'

/** How long a call waits for a pause to end, in milliseconds: longer than any pause takes that goes well. */
const PATIENCE_MS = 60_000

/** Which capsule is asked for, and by whom. */
export interface Asked {
  caller: Caller
  id: string
  /** Registers what is done when the call has ended, whichever way. */
  onEnd: (done: () => void) => void
}

/** A visit to a capsule by somebody who knows its id, whatever their team. */
export interface Visit extends Pick<Asked, 'id' | 'onEnd'> {
  /** Throws for whoever may not come in. It stands in for the check of the team, so there is no visit without it. */
  admit: (capsule: Capsule) => Promise<void>
}

/** The way into running capsules. */
export class Inside {
  constructor(
    private readonly context: Context,
    private readonly parts: { activity: Activity; background: Background; envs: CapsuleEnvs },
  ) {}

  /**
   * What may be done inside a capsule; until the call has ended, the capsule is not idle. A pause that is under way is
   * waited for, so that the call is not cut in its middle.
   * @throws Problem `not_found`, `invalid_state`
   */
  guest({ caller: { teamId }, id, onEnd }: Asked): Promise<Guest> {
    return this.#enter({ id, onEnd }, async () => findCapsule(await this.context.store.capsules.find(teamId, id)))
  }

  /**
   * The same for the proxy, where a capsule's id is enough. Routes of the API have a caller, and ask for `guest`.
   * @throws Problem `not_found`, what `admit` throws, `invalid_state`
   */
  guestOfVisitor({ id, onEnd, admit }: Visit): Promise<Guest> {
    return this.#enter({ id, onEnd }, async () => {
      const capsule = findCapsule(await this.context.store.capsules.ofAnyTeam(id))
      await admit(capsule)
      return capsule
    })
  }

  async #enter({ id, onEnd }: Pick<Asked, 'id' | 'onEnd'>, find: () => Promise<Capsule>): Promise<Guest> {
    // Before it is asked how the capsule is: a pause that begins later sees the call.
    const lease = this.parts.activity.enter(id)
    onEnd(() => lease.end())
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const capsule = await find()
      assertRunning(capsule)
      if (capsule.operation !== 'pause') {
        lease.confirm()
        return this.parts.envs.within(capsule, this.context.fleet.hostFor(id).guest(id))
      }
      if (performance.now() >= deadline) throw new Problem('invalid_state', 'The capsule is being paused.')
      await Promise.race([this.parts.background.settled(id), sleep(PATIENCE_MS, undefined, { ref: false })])
    }
  }
}
