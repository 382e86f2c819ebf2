import { Problem, toProblem, type HostClient, type Source, type Timings } from '@wrenn/wire'
import type { Capsule, MoveFacts } from '../store/store.js'
import type { Activity } from './activity.js'
import { findCapsule, templateOf } from './capsule.js'
import { toIso } from './clock.js'
import type { Context } from './context.js'
import { onCapsule, type By } from './events/action.js'
import type { Actions } from './events/actions.js'
import type { Retired } from './retired.js'

export interface Start {
  host: HostClient
  /** Its row is there, in the status `starting`. */
  row: Capsule
  source: Source
  by: By
}

export interface Started {
  capsule: Capsule
  timings: Timings
}

/** Brings capsules that are `starting` to run, or to `error`. */
export class Starter {
  constructor(
    private readonly context: Context,
    private readonly parts: { activity: Activity; retired: Retired; actions: Actions },
  ) {}

  /** @throws what the host says; the row is in `error` by then */
  start(start: Start): Promise<Started> {
    return this.parts.actions.run(onCapsule('capsule.create', start.row, start.by), () => this.#start(start))
  }

  async #start({ host, row, source }: Start): Promise<Started> {
    const { store, clock, owed } = this.context
    const { id, vcpus, memoryMb, network } = row
    try {
      const { diskSizeMb, renewal, timings } = await host.start({
        ...{ capsuleId: id, source, vcpus, memoryMb, network },
        template: templateOf(row),
      })
      const at = toIso(clock.now())
      const isStarted = await this.#note(host, id, { diskSizeMb, renewal, startedAt: at, lastActiveAt: at })
      const capsule = findCapsule(await store.capsules.find(row.teamId, id))
      if (!isStarted) throw endedMeanwhile(capsule)
      this.parts.activity.watch(capsule)
      return { capsule, timings }
    } catch (error) {
      const { message: reason } = toProblem(error)
      await owed.pay(`the end of the start of ${id}`, () => store.capsules.move(id, 'startFailed', { reason }))
      throw error
    } finally {
      this.parts.retired.sweep()
    }
  }

  /** Writes down that it runs; or else nothing is left of it on the host. @returns whether it was still to run */
  async #note(host: HostClient, id: string, facts: MoveFacts): Promise<boolean> {
    const { store, owed } = this.context
    let isNoted = false
    try {
      return (isNoted = await store.capsules.move(id, 'started', facts))
    } finally {
      if (!isNoted) await owed.pay(`the removal of ${id}`, () => host.destroy(id))
    }
  }
}

function endedMeanwhile({ status, reason }: Capsule): Problem {
  if (status === 'stopped') return new Problem('invalid_state', 'The capsule was deleted while it started.')
  return new Problem(
    'host_unavailable',
    `The capsule ended as soon as it had started: ${reason ?? 'nobody knows why'}.`,
  )
}
