import type { Guest } from '@wrenn/wire'
import { now } from '../store/time.js'
import { assertRunning, findCapsule } from './capsules.js'
import type { Caller, Context } from './context.js'

/** How exact "last active" is, in milliseconds: a write for every call would cost more than it tells. */
const ACTIVE_EVERY_MS = 1_000

/** The way into running capsules. */
export class Inside {
  constructor(private readonly context: Context) {}

  /**
   * What may be done inside a capsule; asking counts as activity.
   * @throws Problem `not_found`, `invalid_state`
   */
  async guest({ teamId }: Caller, id: string): Promise<Guest> {
    const { store, fleet } = this.context
    const capsule = findCapsule(await store.capsules.find(teamId, id))
    assertRunning(capsule)
    const { lastActiveAt } = capsule
    if (!lastActiveAt || Date.now() - Date.parse(lastActiveAt) >= ACTIVE_EVERY_MS)
      await store.capsules.active(id, now())
    return fleet.hostFor(id).guest(id)
  }
}
