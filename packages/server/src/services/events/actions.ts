import { toProblem, type EventKind } from '@wrenn/wire'
import type { MoveName } from '../../store/moves.js'
import type { Change, Labels } from '../../store/store.js'
import { toBody } from '../capsule.js'
import type { Context } from '../context.js'
import type { Telemetry } from '../metrics/telemetry.js'
import { system, type Action } from './action.js'
import type { Events } from './events.js'

/** Which action makes which move, and what is done by it. */
const causes: Partial<Record<MoveName, { by: EventKind; done?: EventKind; reason?: string }>> = {
  started: { by: 'capsule.create', done: 'capsule.create' },
  startFailed: { by: 'capsule.create' },
  paused: { by: 'capsule.pause', done: 'capsule.pause' },
  resumed: { by: 'capsule.resume', done: 'capsule.resume' },
  captured: { by: 'template.snapshot.create', done: 'capsule.destroy', reason: 'snapshot' },
  abandoned: { by: 'capsule.destroy', done: 'capsule.destroy' },
  destroyed: { by: 'capsule.destroy', done: 'capsule.destroy' },
}

interface UnderWay {
  action: Action
  isDone: boolean
}

/**
 * Tells of what is done, and of every change of a capsule's status. A success is told by the commit that makes it one, so
 * that the events of a capsule come in the order in which the store has it.
 */
export class Actions {
  readonly #underWay = new Map<string, UnderWay>()

  constructor(
    private readonly context: Context,
    private readonly parts: { events: Events; telemetry: Telemetry },
  ) {
    context.store.onChange((change) => this.#changed(change))
  }

  /**
   * Does what has begun. It is told as a success by the change of status that it makes, or by `succeeded` after the commit;
   * when it throws before that, as a failure; and otherwise not at all.
   */
  async run<T>(action: Action, work: (succeeded: (more?: Labels) => void) => Promise<T>): Promise<T> {
    const key = keyOf(action.kind, action.capsuleId)
    const underWay: UnderWay = { action, isDone: false }
    this.#underWay.set(key, underWay)
    const end = this.parts.telemetry.begin(action.kind)
    try {
      const result = await work((more) => this.#succeeded(underWay, more))
      end('success')
      return result
    } catch (error) {
      end('error')
      if (!underWay.isDone) await this.#failed(action, error)
      throw error
    } finally {
      this.#underWay.delete(key)
    }
  }

  #changed({ capsule, from, move }: Change): void {
    const sandbox = toBody(capsule, this.context)
    const { by, done, reason = sandbox.reason } = causes[move] ?? {}
    const underWay = by && this.#underWay.get(keyOf(by, capsule.id))
    const { actor = system } = underWay?.action ?? {}
    // What there is to say of a template says nothing of the capsule that became one.
    const metadata = underWay?.action.resource.type === 'capsule' ? underWay.action.metadata : undefined
    const why: Labels = reason === undefined ? {} : { reason }
    const { teamId } = capsule
    const on = { resource: { id: capsule.id, type: 'capsule' }, sandbox, actor }
    const change = { from, to: capsule.status }
    this.parts.events.publish(teamId, {
      event: 'capsule.state.changed',
      ...on,
      metadata: { ...change, ...metadata, ...why },
    })
    if (done === undefined) return
    if (underWay && done === by) underWay.isDone = true
    const more = { ...metadata, ...why }
    const said = Object.keys(more).length > 0 ? { metadata: more } : {}
    this.parts.events.publish(teamId, { event: done, outcome: 'success', ...on, ...said })
  }

  #succeeded(underWay: UnderWay, more: Labels = {}): void {
    const { kind, teamId, resource, actor, metadata } = underWay.action
    underWay.isDone = true
    const event = { event: kind, outcome: 'success', resource, actor, metadata: { ...metadata, ...more } } as const
    this.parts.events.publish(teamId, event)
  }

  /** In a transaction, so that it has its place among what was committed. */
  async #failed(action: Action, error: unknown): Promise<void> {
    const { kind, teamId, resource, actor, metadata, capsuleId } = action
    const event = {
      ...({ event: kind, outcome: 'error', resource, actor } as const),
      ...(metadata ? { metadata } : {}),
      error: toProblem(error).message,
    }
    try {
      await this.context.store.transaction(async (store) => {
        const capsule = resource.type === 'capsule' ? await store.capsules.find(teamId, capsuleId) : undefined
        const shown = capsule ? { sandbox: toBody(capsule, this.context) } : {}
        store.afterCommit(() => this.parts.events.publish(teamId, { ...event, ...shown }))
      })
    } catch (err) {
      this.context.log.error({ err, capsule: capsuleId }, 'a failure could not be told as an event')
    }
  }
}

function keyOf(kind: EventKind, capsuleId: string): string {
  return `${kind} ${capsuleId}`
}
