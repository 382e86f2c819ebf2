import { Problem, type CapsuleBody, type NetworkPolicy } from '@wrenn/wire'
import type { Capsule } from '../store/store.js'
import type { Background } from './background.js'
import { assertRunning, busy, findCapsule, toBody, tryTake } from './capsule.js'
import type { Caller, Context } from './context.js'
import { Undo } from './undo.js'

/** How often a change waits for what is under way before it gives up; each time something else had begun meanwhile. */
const TRIES = 5

/** @throws Problem `invalid_request` for what takes a network, where the hosts give none */
export function assertCanReach({ hasNetwork }: Pick<Context, 'hasNetwork'>, network: NetworkPolicy | undefined): void {
  const isClosed = network === undefined || (!network.internet && network.allow.length === 0)
  if (hasNetwork || isClosed) return
  throw new Problem('invalid_request', 'network: the capsules of this server have no network.', {
    hint: 'Leave network out, or say {"internet": false}. When the server starts, it says why there is none.',
  })
}

/** What capsules may reach. */
export class Networks {
  constructor(
    private readonly context: Context,
    private readonly background: Background,
  ) {}

  /** @throws Problem `not_found`, `invalid_state` for a capsule whose network cannot be changed */
  async assertCanChange({ teamId }: Caller, id: string): Promise<void> {
    assertThere(findCapsule(await this.context.store.capsules.find(teamId, id)))
  }

  /**
   * Changes what a capsule may reach: now, if it runs, else from its resume on. It waits for whatever else is being done to
   * the capsule; what is asked for while it is under way is refused, as with every operation.
   * @throws Problem `not_found`, `invalid_state`, `invalid_request` where there is no network; what the host says, and then
   * nothing has changed
   */
  async set(caller: Caller, id: string, network: NetworkPolicy): Promise<CapsuleBody> {
    assertCanReach(this.context, network)
    for (let tries = 0; tries < TRIES; tries++) {
      // The operation begins inside, so that whoever sees it under way can wait for its end.
      const body = await this.background.run(id, () => this.#try(caller, id, network))
      if (body) return body
      await this.background.settled(id)
    }
    throw busy()
  }

  async #try({ teamId }: Caller, id: string, network: NetworkPolicy): Promise<CapsuleBody | undefined> {
    const { store } = this.context
    const capsule = await tryTake(store, { teamId, id, operation: 'network', assert: assertThere })
    if (!capsule) return undefined
    await this.#change(capsule, network)
    const changed = findCapsule(await store.capsules.find(teamId, id))
    return toBody(changed, this.context, { withRenewal: true })
  }

  /** First the host, then the row, which is what holds if this breaks off in between. */
  async #change({ id, status, network: before }: Capsule, network: NetworkPolicy): Promise<void> {
    const { store, fleet } = this.context
    const undo = new Undo(this.context)
    undo.owe(`the change of the network of ${id}`, () => store.capsules.end(id, 'network'))
    try {
      if (status === 'running') {
        const host = fleet.hostFor(id)
        await host.setNetwork(id, network)
        undo.add('the network', () => host.setNetwork(id, before))
      }
      if (!(await store.capsules.reach(id, network)))
        throw new Problem('invalid_state', 'The capsule ended while its network was changed.')
    } catch (error) {
      await undo.run()
      throw error
    }
  }
}

function assertThere(capsule: Capsule): void {
  if (capsule.status !== 'paused') assertRunning(capsule)
}
