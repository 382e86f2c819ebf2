/** What the operations of a soak work with. */
import type { Wrenn } from 'wrenn'
import type { Random } from '../random.js'
import type { EventLog } from './event-log.js'
import type { FaultState } from './fault-state.js'
import type { KnownCapsule, KnownTemplate, Model } from './model.js'
import type { Tally } from './tally.js'

export interface Run {
  client: Wrenn
  model: Model
  random: Random
  tally: Tally
  faults: FaultState
  events: EventLog
}

/** What may have become of a capsule on which something failed. */
export type Found = 'running' | 'paused' | 'gone' | 'error'

/** One operation that was chosen, with all that it works on; nobody else does until it has ended. */
export interface Job {
  capsule?: KnownCapsule | undefined
  template?: KnownTemplate | undefined
  /** Gives back the room for what it makes. */
  free?: (() => void) | undefined
  work(): Promise<void>
  /** What the capsule may be when the work failed; by itself, what it was. */
  mayBe?: Found[]
  /** The file that the work may have written when it failed. */
  path?: string
}

/** A kind of operation. */
export interface Operation {
  weight: number
  /** Chooses what it is done to; undefined: it cannot be done now. */
  take(run: Run): Job | undefined
}
