import type { Capsule } from './capsule.js'
import { WrennError } from './errors.js'

/** Some capsules of a fork did not start. Those that did run, and are yours to use or to destroy. */
export class WrennForkError extends WrennError {
  override name = 'WrennForkError'
  /** Those that run, in order. */
  readonly capsules: Capsule[]
  /** Those that do not, in order; `info.reason` says why. They hold nothing and need not be destroyed. */
  readonly failed: Capsule[]

  constructor(all: Capsule[]) {
    const failed = all.filter((one) => !runs(one))
    const reason = failed[0]?.info.reason
    super(`${failed.length} of ${all.length} capsules did not start${reason ? `: ${reason}` : '.'}`, {
      code: 'fork_failed',
      status: 201,
    })
    this.capsules = all.filter(runs)
    this.failed = failed
  }
}

/** Whether a capsule of a fork is what was asked for. */
export function runs({ status }: Capsule): boolean {
  return status === 'running'
}
