import { openNetwork, Problem, type CapsuleBody, type CreateCapsule, type HostFacts } from '@wrenn/wire'
import type { Capsule, Store, Template, Version } from '../store/store.js'
import type { Background } from './background.js'
import { newCapsule, toBody } from './capsule.js'
import { toIso } from './clock.js'
import type { Caller, Context, Timed } from './context.js'
import { assertWhole, type Damage } from './damage.js'
import type { CapsuleEnvs } from './envs.js'
import { actorOf } from './events/action.js'
import { assertCanReach } from './network.js'
import type { Begun } from './idempotency.js'
import type { Starter } from './starter.js'
import { orBeingBuilt } from './images.js'
import { resolveRef, sourceOf } from './template.js'

interface Parts {
  background: Background
  starter: Starter
  damage: Damage
  envs: CapsuleEnvs
  /** Whether ports of capsules ask for a token where nothing is said. */
  proxyAuth: boolean
}

/** The start of capsules from templates. */
export class Creation {
  constructor(
    private readonly context: Context,
    private readonly parts: Parts,
  ) {}

  /**
   * Starts a capsule; it runs when this resolves.
   * @throws Problem `not_found` for the template, `host_unavailable` while it is being built; `template_corrupt`;
   * `invalid_request` beyond the limits, or for a network where there is none; what the host says, `no_hosts_available` and
   * `insufficient_storage` among it
   */
  async create(caller: Caller, wanted: CreateCapsule, begun?: Begun): Promise<Timed<CapsuleBody>> {
    const earlier = begun?.earlier && (await this.context.store.capsules.find(caller.teamId, begun.earlier))
    // It was made, and only its answer was lost. One that still is to start is nobody's work any more: it comes to nothing.
    if (earlier && earlier.status !== 'error' && earlier.status !== 'starting')
      return { body: toBody(earlier, this.context, { withRenewal: true }), timings: {} }
    assertCanReach(this.context, wanted.network)
    const { teamId } = caller
    const { fleet, store, clock } = this.context
    const host = fleet.pick()
    const { limits } = await host.facts()
    const claim = async () => {
      const { version } = await chosen(store, { teamId, wanted, limits })
      // Before the row: of what does not fit, nothing is left. The version may be another a moment later.
      await host.admit({ count: 1, memoryMb: sizeOf(version, wanted).memoryMb })
      return store.transaction(async (within) => {
        // In one transaction, so that the version's files cannot be removed in between.
        const { version } = await chosen(within, { teamId, wanted, limits })
        const row = this.#row(teamId, wanted, version)
        await within.capsules.insert(row)
        await begun?.note(within, row.id)
        await within.versions.used(version.id, toIso(clock.now()))
        return { row, version }
      })
    }
    const { row, version } = await claim().catch(async (error: unknown) => {
      throw await orBeingBuilt(host, wanted.template, error)
    })
    return this.parts.background.run(row.id, async () => {
      try {
        const by = { actor: actorOf(caller) }
        const { capsule, timings } = await this.parts.starter.start({ host, row, source: sourceOf(version), by })
        return { body: toBody(capsule, this.context, { withRenewal: true }), timings }
      } catch (error) {
        await this.parts.damage.suspect(version, error)
        throw error
      }
    })
  }

  #row(teamId: string, wanted: CreateCapsule, version: Version): Capsule {
    const row = newCapsule(heritage(teamId, wanted, version), wanted.proxy_auth ?? this.parts.proxyAuth)
    return { ...row, envs: this.parts.envs.seal(row.id, wanted.envs) }
  }
}

interface Choice {
  teamId: string
  wanted: CreateCapsule
  limits: HostFacts['limits']
}

/** What is to be started. @throws Problem `not_found`, `template_corrupt`; `invalid_request` beyond the limits */
async function chosen(store: Store, { teamId, wanted, limits }: Choice): Promise<Template> {
  const template = await resolveRef(store, teamId, wanted.template)
  assertWhole(template)
  assertWithin(limits, sizeOf(template.version, wanted))
  return template
}

/** A snapshot has its own size. */
function sizeOf(version: Version, wanted: CreateCapsule) {
  return { vcpus: version.vcpus ?? wanted.vcpus, memoryMb: version.memoryMb ?? wanted.memory_mb }
}

function heritage(teamId: string, wanted: CreateCapsule, version: Version) {
  return {
    teamId,
    template: wanted.template,
    versionId: version.id,
    ...sizeOf(version, wanted),
    timeoutSec: wanted.timeout_sec,
    metadata: wanted.metadata ?? null,
    network: wanted.network ?? openNetwork,
  }
}

/** Below this the kernel and the agent do not come up. */
const SMALLEST_MB = 128

function assertWithin(
  { maxVcpus, maxMemoryMb }: HostFacts['limits'],
  { vcpus, memoryMb }: Pick<Capsule, 'vcpus' | 'memoryMb'>,
): void {
  if (vcpus > maxVcpus) throw new Problem('invalid_request', `vcpus: must be at most ${maxVcpus}.`)
  if (memoryMb > maxMemoryMb) throw new Problem('invalid_request', `memory_mb: must be at most ${maxMemoryMb}.`)
  if (memoryMb < SMALLEST_MB) throw new Problem('invalid_request', `memory_mb: must be at least ${SMALLEST_MB}.`)
}
