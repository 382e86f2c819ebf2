import { Activity } from './activity.js'
import { Background } from './background.js'
import { Capsules } from './capsules.js'
import type { Context } from './context.js'
import { Cost } from './cost.js'
import { Creation } from './create.js'
import { Damage } from './damage.js'
import { Actions } from './events/actions.js'
import { Events } from './events/events.js'
import { CapsuleEnvs } from './envs.js'
import { HostState } from './events/hosts.js'
import { Ends } from './ends.js'
import { Forks } from './forks.js'
import { Idempotency } from './idempotency.js'
import { Inside } from './inside.js'
import { Keys } from './keys.js'
import { Limits, type Rates } from './limits.js'
import { Metrics } from './metrics/metrics.js'
import { Running } from './metrics/running.js'
import { Runs } from './runs.js'
import { Sampler } from './metrics/sampler.js'
import { Telemetry } from './metrics/telemetry.js'
import { Usage } from './metrics/usage.js'
import { Networks } from './network.js'
import { Pausing } from './pause.js'
import { Presence } from './presence.js'
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

export interface Rules {
  /** Whether ports of new capsules ask for a token where nothing is said. */
  proxyAuth: boolean
  /** What the environment variables of capsules are sealed with. */
  secret: Uint8Array
  rates: Rates
}

export function makeServices(context: Context, { proxyAuth, secret, rates }: Rules) {
  const background = new Background()
  const activity = new Activity(context)
  const envs = new CapsuleEnvs(secret)
  const events = new Events(context)
  const running = new Running(context.store)
  const sampler = new Sampler(context, running)
  const host = new HostState(events)
  sampler.onHeard((isAnswering) => host.heard(isAnswering))
  const usage = new Usage(context, running)
  const telemetry = new Telemetry(context, { events, sampler })
  const actions = new Actions(context, { events, telemetry })
  const retired = new Retired(context)
  const retention = new Retention(context, { retired, events })
  const damage = new Damage(context)
  const ends = new Ends(context, activity)
  const cost = new Cost(context, damage)
  const starter = new Starter(context, { activity, retired, actions })
  return {
    keys: new Keys(context, { limits: new Limits(rates), presence: new Presence(context.clock) }),
    capsules: new Capsules(context, { background, activity, actions }),
    creation: new Creation(context, { background, starter, damage, envs, proxyAuth }),
    pausing: new Pausing(context, { background, activity, actions }),
    resuming: new Resuming(context, { background, activity, ends, actions }),
    networks: new Networks(context, background),
    forks: new Forks(context, { background, starter, envs }),
    sessions: new Sessions(context),
    runs: new Runs(context),
    inside: new Inside(context, { activity, background, envs }),
    snapshots: new Snapshots(context, { background, retention, activity, actions }),
    templates: new Templates(context, { retired, cost, events }),
    versions: new Versions(context, { retired, cost }),
    verification: new Verification(context, damage),
    idempotency: new Idempotency(context),
    background,
    owed: context.owed,
    activity,
    retention,
    clock: context.clock,
    events,
    running,
    sampler,
    metrics: new Metrics(context, sampler),
    usage,
    telemetry,
  }
}

/** Begins what goes on by itself: what expires, what is idle, what is verified. */
export async function beginServices(services: Services, { store }: Context): Promise<void> {
  const { activity, retention, verification, idempotency, running, sampler, usage } = services
  for (const capsule of await store.capsules.unsettled()) if (capsule.status === 'running') activity.watch(capsule)
  retention.tend()
  verification.begin()
  idempotency.begin()
  await running.begin()
  await usage.begin()
  sampler.begin()
}

/** Begins nothing new from now on. */
export function stopServices(services: Services): void {
  const { activity, retention, verification, idempotency, sampler, usage, events, sessions, owed } = services
  for (const service of [activity, retention, verification, idempotency, sampler, usage, sessions, owed]) service.stop()
  events.close()
}

/** Resolves when all that is under way has ended. */
export async function settleServices(services: Services): Promise<void> {
  const { background, retention, verification, sampler, usage, owed } = services
  await Promise.all([background.allSettled(), retention.idle(), verification.idle()])
  await owed.retry()
  await Promise.all([sampler.flush(), usage.flush()])
}
