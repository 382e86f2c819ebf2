import { newId, Problem, toProblem, type CapsuleBody, type CreateCapsule, type HostClient } from '@wrenn/wire'
import type { Capsule, Version } from '../store/store.js'
import { now } from '../store/time.js'
import type { Background } from './background.js'
import type { Caller, Context } from './context.js'
import type { Retired } from './retired.js'
import { resolve } from './templates.js'

const MiB = 1024 * 1024
/** How often a delete waits for what is under way before it gives up; each time something else had begun meanwhile. */
const DELETE_TRIES = 5

interface Parts {
  background: Background
  retired: Retired
}

/** The life of capsules, from their start to their end. */
export class Capsules {
  readonly #context: Context
  readonly #background: Background
  readonly #retired: Retired

  constructor(context: Context, { background, retired }: Parts) {
    this.#context = context
    this.#background = background
    this.#retired = retired
    for (const host of context.fleet.all()) host.onGone((id, reason) => void this.#ended(id, reason))
  }

  /**
   * Starts a capsule; it runs when this resolves.
   * @throws Problem `not_found` for the template; `invalid_request` beyond the limits; what the host says
   */
  async create({ teamId }: Caller, wanted: CreateCapsule): Promise<CapsuleBody> {
    const host = this.#context.fleet.pick()
    const { limits } = await host.facts()
    const { row, version } = await this.#context.store.transaction(async (store) => {
      // In one transaction, so that the version's files cannot be removed in between.
      const { version } = await resolve(store, teamId, wanted.template)
      const size = { vcpus: version.vcpus ?? wanted.vcpus, memoryMb: version.memoryMb ?? wanted.memory_mb }
      assertWithin(limits, size)
      const row = newCapsule({ teamId, wanted, version, size })
      await store.capsules.insert(row)
      return { row, version }
    })
    return this.#background.run(row.id, () => this.#start(host, row, version))
  }

  /** Those that are alive, newest first. */
  async list({ teamId }: Caller): Promise<CapsuleBody[]> {
    return (await this.#context.store.capsules.listAlive(teamId)).map((capsule) => toBody(capsule))
  }

  /** @throws Problem `not_found` */
  async get(caller: Caller, id: string): Promise<CapsuleBody> {
    const capsule = await this.#find(caller, id)
    if (capsule.status !== 'running') return toBody(capsule)
    const used = await this.#context.fleet
      .hostFor(id)
      .diskUsedBytes(id)
      .catch(() => undefined)
    return toBody(capsule, used)
  }

  /** Ends a capsule, in whatever state it is; one that has ended already stays so. @throws Problem `not_found` */
  async delete(caller: Caller, id: string): Promise<void> {
    const { store } = this.#context
    for (let tries = 0; tries < DELETE_TRIES; tries++) {
      const { status } = await this.#find(caller, id)
      if (status === 'stopped') return
      if (await store.capsules.begin(id, 'destroy')) return this.#background.run(id, () => this.#destroy(id))
      // A start that is under way sees that it was abandoned, and takes itself back.
      if (status === 'starting') await store.capsules.move(id, 'abandoned')
      await this.#background.settled(id)
    }
    throw new Problem('invalid_state', 'Something else keeps being done to this capsule.', { hint: 'Try again.' })
  }

  /** Resets the idle timer. @throws Problem `not_found`, `invalid_state` */
  async ping(caller: Caller, id: string): Promise<void> {
    assertRunning(await this.#find(caller, id))
    await this.#context.store.capsules.active(id, now())
  }

  async #find({ teamId }: Caller, id: string): Promise<Capsule> {
    return findCapsule(await this.#context.store.capsules.find(teamId, id))
  }

  async #start(host: HostClient, row: Capsule, version: Version): Promise<CapsuleBody> {
    const { store } = this.#context
    const { id, vcpus, memoryMb, template } = row
    const source =
      version.kind === 'image'
        ? ({ kind: 'image', imageId: version.ref } as const)
        : ({ kind: 'snapshot', snapshotId: version.ref } as const)
    try {
      const { diskSizeMb } = await host.start({ capsuleId: id, source, vcpus, memoryMb, template })
      const at = now()
      const isStarted = await store.capsules.move(id, 'started', { diskSizeMb, startedAt: at, lastActiveAt: at })
      if (!isStarted) await host.destroy(id)
      const capsule = findCapsule(await store.capsules.find(row.teamId, id))
      if (!isStarted) throw endedMeanwhile(capsule)
      return toBody(capsule)
    } catch (error) {
      await store.capsules.move(id, 'startFailed', { reason: toProblem(error).message })
      throw error
    } finally {
      this.#retired.sweep()
    }
  }

  async #destroy(id: string): Promise<void> {
    try {
      await this.#context.fleet.hostFor(id).destroy(id)
      await this.#context.store.capsules.move(id, 'destroyed')
    } catch (error) {
      await this.#context.store.capsules.end(id, 'destroy')
      throw error
    }
  }

  async #ended(id: string, reason: string): Promise<void> {
    try {
      await this.#context.store.capsules.move(id, 'endedByItself', { reason })
    } catch (err) {
      this.#context.log.error({ err, capsule: id }, 'the end of a capsule could not be noted')
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

/** @throws Problem `not_found` */
export function findCapsule(capsule: Capsule | undefined): Capsule {
  if (!capsule) throw new Problem('not_found', 'There is no such capsule.')
  return capsule
}

/** @throws Problem `invalid_state` */
export function assertRunning({ status, reason }: Capsule): void {
  if (status === 'running') return
  throw new Problem('invalid_state', `The capsule is not running: it is ${status}${reason ? ` (${reason})` : ''}.`)
}

interface Size {
  vcpus: number
  memoryMb: number
}

function assertWithin(
  { maxVcpus, maxMemoryMb }: { maxVcpus: number; maxMemoryMb: number },
  { vcpus, memoryMb }: Size,
): void {
  if (vcpus > maxVcpus) throw new Problem('invalid_request', `vcpus: must be at most ${maxVcpus}.`)
  if (memoryMb > maxMemoryMb) throw new Problem('invalid_request', `memory_mb: must be at most ${maxMemoryMb}.`)
  if (memoryMb < SMALLEST_MB) throw new Problem('invalid_request', `memory_mb: must be at least ${SMALLEST_MB}.`)
}

/** Below this the kernel and the agent do not come up. */
const SMALLEST_MB = 128

interface NewCapsule {
  teamId: string
  wanted: CreateCapsule
  version: Version
  size: Size
}

function newCapsule({ teamId, wanted, version, size }: NewCapsule): Capsule {
  const at = now()
  return {
    id: newId('capsule'),
    teamId,
    template: wanted.template,
    versionId: version.id,
    status: 'starting',
    operation: null,
    ...size,
    timeoutSec: wanted.timeout_sec,
    diskSizeMb: 0,
    metadata: wanted.metadata ?? null,
    reason: null,
    createdAt: at,
    startedAt: null,
    lastActiveAt: null,
    lastUpdated: at,
  }
}

function toBody(capsule: Capsule, usedBytes?: number): CapsuleBody {
  const { startedAt, lastActiveAt, metadata } = capsule
  return {
    id: capsule.id,
    status: capsule.status,
    template: capsule.template,
    vcpus: capsule.vcpus,
    memory_mb: capsule.memoryMb,
    timeout_sec: capsule.timeoutSec,
    created_at: capsule.createdAt,
    ...(startedAt ? { started_at: startedAt } : {}),
    ...(lastActiveAt ? { last_active_at: lastActiveAt } : {}),
    last_updated: capsule.lastUpdated,
    ...(metadata ? { metadata } : {}),
    disk_size_mb: capsule.diskSizeMb,
    ...(usedBytes === undefined ? {} : { disk_used_mb: Math.ceil(usedBytes / MiB) }),
  }
}
