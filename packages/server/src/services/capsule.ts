/** One capsule: what may be asked of it, and how it is shown. */
import { newId, parseTemplateRef, Problem, randomHex, type CapsuleBody } from '@wrenn/wire'
import type { Capsule, Store } from '../store/store.js'
import type { Operation } from '../store/moves.js'
import { now } from '../store/time.js'
import type { Context } from './context.js'

const MiB = 1024 * 1024
const PROXY_TOKEN_BYTES = 24

/** @throws Problem `not_found` */
export function findCapsule(capsule: Capsule | undefined): Capsule {
  if (!capsule) throw new Problem('not_found', 'There is no such capsule.')
  return capsule
}

/** @throws Problem `invalid_state` */
export function assertRunning({ status, reason }: Capsule): void {
  if (status === 'running') return
  const hint = status === 'paused' ? 'Resume it first.' : undefined
  throw new Problem('invalid_state', `The capsule is not running: it is ${status}${because(reason)}.`, { hint })
}

/** @throws Problem `invalid_state` */
export function assertPaused({ status, reason }: Capsule): void {
  if (status === 'paused') return
  throw new Problem('invalid_state', `The capsule is not paused: it is ${status}${because(reason)}.`)
}

interface Take {
  teamId: string
  id: string
  operation: Operation
  assert: (capsule: Capsule) => void
}

/**
 * Begins an operation on a capsule that is in the right state for it.
 * @throws Problem `not_found`; what `assert` throws; `invalid_state` when something else is being done to it
 */
export async function take(store: Store, wanted: Take): Promise<Capsule> {
  const capsule = await tryTake(store, wanted)
  if (!capsule) throw busy()
  return capsule
}

/**
 * The same, but for when something else is being done to it.
 * @returns the capsule as it is now that nothing else can change it; undefined when something else is under way
 */
export async function tryTake(store: Store, { teamId, id, operation, assert }: Take): Promise<Capsule | undefined> {
  const find = async () => findCapsule(await store.capsules.find(teamId, id))
  assert(await find())
  return (await store.capsules.begin(id, operation)) ? find() : undefined
}

export function busy(): Problem {
  return new Problem('invalid_state', 'Something else is being done to this capsule.', {
    hint: 'Try again when it is done.',
  })
}

/** What a new capsule takes over from what asked for it, or from the one that it is forked from. */
export type Heritage = Pick<
  Capsule,
  'teamId' | 'template' | 'versionId' | 'vcpus' | 'memoryMb' | 'timeoutSec' | 'metadata' | 'network'
>

/** @param hasToken whether its ports ask for a token; each capsule has its own */
export function newCapsule(heritage: Heritage, hasToken = false): Capsule {
  const { teamId, template, versionId, vcpus, memoryMb, timeoutSec, metadata, network } = heritage
  const at = now()
  return {
    id: newId('capsule'),
    ...{ teamId, template, versionId, vcpus, memoryMb, timeoutSec, metadata, network },
    envs: null,
    renewal: null,
    proxyToken: hasToken ? randomHex(PROXY_TOKEN_BYTES) : null,
    snapshotId: null,
    status: 'starting',
    operation: null,
    diskSizeMb: 0,
    reason: null,
    createdAt: at,
    startedAt: null,
    lastActiveAt: null,
    lastUpdated: at,
  }
}

/** The template's name, without the version that was asked for. */
export function templateOf({ template }: Pick<Capsule, 'template'>): string {
  return parseTemplateRef(template).name
}

interface More {
  /** Bytes that it has written to its disk. */
  usedBytes?: number | undefined
  withRenewal?: boolean
}

export function toBody(
  capsule: Capsule,
  { hasNetwork }: Pick<Context, 'hasNetwork'>,
  { usedBytes, withRenewal }: More = {},
): CapsuleBody {
  const { startedAt, lastActiveAt, metadata, status, network, renewal } = capsule
  const reason = status === 'error' || status === 'missing' ? capsule.reason : null
  return {
    id: capsule.id,
    status,
    template: capsule.template,
    vcpus: capsule.vcpus,
    memory_mb: capsule.memoryMb,
    timeout_sec: capsule.timeoutSec,
    created_at: capsule.createdAt,
    ...(startedAt ? { started_at: startedAt } : {}),
    ...(lastActiveAt ? { last_active_at: lastActiveAt } : {}),
    last_updated: capsule.lastUpdated,
    ...(metadata ? { metadata } : {}),
    ...(reason === null ? {} : { reason }),
    disk_size_mb: capsule.diskSizeMb,
    ...(capsule.proxyToken === null ? {} : { proxy_token: capsule.proxyToken }),
    ...(hasNetwork ? { network } : {}),
    ...(withRenewal && renewal ? { renewal } : {}),
    ...(usedBytes === undefined ? {} : { disk_used_mb: Math.ceil(usedBytes / MiB) }),
  }
}

function because(reason: string | null): string {
  return reason === null ? '' : ` (${reason})`
}
