/** The life of a capsule as data: which moves of status are legal, and during which operation. */
import type { CapsuleStatus } from '@wrenn/wire'

interface Rule {
  readonly from: readonly CapsuleStatus[]
}

/** What may be under way on a capsule, one at a time, and in which status it may begin. */
export const operations = {
  snapshot: { from: ['running'] },
  pause: { from: ['running'] },
  resume: { from: ['paused'] },
  fork: { from: ['running'] },
  network: { from: ['running', 'paused'] },
  destroy: { from: ['pending', 'running', 'paused', 'hibernated', 'missing', 'error'] },
} as const satisfies Record<string, Rule>

export type Operation = keyof typeof operations

interface Move extends Rule {
  /** The operations during which the move is legal; null stands for none under way. */
  readonly during: readonly (Operation | null)[]
  readonly to: CapsuleStatus
}

/** What may be under way on a capsule that stops running for a reason of its own. */
const whileRunning = [null, 'snapshot', 'pause', 'fork', 'network'] as const

/** Every change of a capsule's status. A move ends the operation that was under way. */
export const moves = {
  started: { from: ['starting'], during: [null], to: 'running' },
  startFailed: { from: ['starting'], during: [null], to: 'error' },
  abandoned: { from: ['starting'], during: [null], to: 'stopped' },
  endedByItself: { from: ['starting', 'running'], during: whileRunning, to: 'error' },
  lost: { from: ['running'], during: whileRunning, to: 'missing' },
  captured: { from: ['running'], during: ['snapshot'], to: 'stopped' },
  paused: { from: ['running'], during: ['pause'], to: 'paused' },
  resumed: { from: ['paused'], during: ['resume'], to: 'running' },
  destroyed: { from: operations.destroy.from, during: ['destroy'], to: 'stopped' },
} as const satisfies Record<string, Move>

/** From these nothing leads back. */
export const lastStatuses: readonly CapsuleStatus[] = ['stopped', 'missing', 'error']

export type MoveName = keyof typeof moves
