import { Activity } from './activity.js'
import { Background } from './background.js'
import { Capsules } from './capsules.js'
import type { Context } from './context.js'
import { Cost } from './cost.js'
import { Creation } from './create.js'
import { Damage } from './damage.js'
import { Ends } from './ends.js'
import { Forks } from './forks.js'
import { Idempotency } from './idempotency.js'
import { Inside } from './inside.js'
import { Keys } from './keys.js'
import { Pausing } from './pause.js'
import { Resuming } from './resume.js'
import { Retention } from './retention.js'
import { Retired } from './retired.js'
import { Sessions } from './sessions.js'
import { Snapshots } from './snapshots.js'
import { Starter } from './starter.js'
import { Templates } from './templates.js'
import { Verification } from './verification.js'
import { Versions } from './versions.js'

/** All services, on one context. */
export type Services = ReturnType<typeof makeServices>

export function makeServices(context: Context, { proxyAuth }: { proxyAuth: boolean }) {
  const background = new Background()
  const activity = new Activity(context)
  const retired = new Retired(context)
  const retention = new Retention(context, retired)
  const damage = new Damage(context)
  const ends = new Ends(context, activity)
  const cost = new Cost(context, damage)
  const starter = new Starter(context, { activity, retired })
  return {
    keys: new Keys(context),
    capsules: new Capsules(context, { background, activity }),
    creation: new Creation(context, { background, starter, damage, proxyAuth }),
    pausing: new Pausing(context, { background, activity }),
    resuming: new Resuming(context, { background, activity, ends }),
    forks: new Forks(context, { background, starter }),
    sessions: new Sessions(context),
    inside: new Inside(context, { activity, background }),
    snapshots: new Snapshots(context, { background, retention, activity }),
    templates: new Templates(context, { retired, cost }),
    versions: new Versions(context, { retired, cost }),
    verification: new Verification(context, damage),
    idempotency: new Idempotency(context),
    background,
    activity,
    retention,
    clock: context.clock,
  }
}

/** Begins what goes on by itself: what expires, what is idle, what is verified. */
export async function beginServices(services: Services, { store }: Context): Promise<void> {
  const { activity, retention, verification, idempotency } = services
  for (const capsule of await store.capsules.unsettled()) if (capsule.status === 'running') activity.watch(capsule)
  retention.tend()
  verification.begin()
  idempotency.begin()
}

/** Begins nothing new from now on. */
export function stopServices({ activity, retention, verification, idempotency, sessions }: Services): void {
  for (const service of [activity, retention, verification, idempotency, sessions]) service.stop()
}

/** Resolves when all that is under way has ended. */
export async function settleServices({ background, retention, verification }: Services): Promise<void> {
  await Promise.all([background.allSettled(), retention.idle(), verification.idle()])
}
