import { setTimeout as sleep } from 'node:timers/promises'
import { Problem, type Guest } from '@wrenn/wire'
import type { Activity } from './activity.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule } from './capsule.js'
import type { Caller, Context } from './context.js'

/** How long a call waits for a pause to end, in milliseconds: longer than any pause takes that goes well. */
const PATIENCE_MS = 60_000

/** Which capsule is asked for, and by whom. */
export interface Asked {
  caller: Caller
  id: string
  /** Registers what is done when the call has ended, whichever way. */
  onEnd: (done: () => void) => void
}

/** The way into running capsules. */
export class Inside {
  constructor(
    private readonly context: Context,
    private readonly parts: { activity: Activity; background: Background },
  ) {}

  /**
   * What may be done inside a capsule; until the call has ended, the capsule is not idle. A pause that is under way is
   * waited for, so that the call is not cut in its middle.
   * @throws Problem `not_found`, `invalid_state`
   */
  async guest({ caller: { teamId }, id, onEnd }: Asked): Promise<Guest> {
    const { store, fleet } = this.context
    // Before it is asked how the capsule is: a pause that begins later sees the call.
    const lease = this.parts.activity.enter(id)
    onEnd(() => lease.end())
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const capsule = findCapsule(await store.capsules.find(teamId, id))
      assertRunning(capsule)
      if (capsule.operation !== 'pause') break
      if (performance.now() >= deadline) throw new Problem('invalid_state', 'The capsule is being paused.')
      await Promise.race([this.parts.background.settled(id), sleep(PATIENCE_MS, undefined, { ref: false })])
    }
    lease.confirm()
    return fleet.hostFor(id).guest(id)
  }
}
