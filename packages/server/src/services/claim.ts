/** The claim of a name for what is being captured: made before, turned into the name's meaning after. */
import { newId, Problem, randomHex, type CreateSnapshot, type SnapshotInfo } from '@wrenn/wire'
import type { Capsule, Rule, Store, Template, Version } from '../store/store.js'
import { now } from '../store/time.js'
import { assertRunning, take, templateOf } from './capsule.js'
import type { Caller } from './context.js'
import { retireSurplus } from './retention.js'
import { claimName } from './template.js'

export interface Wanted extends CreateSnapshot {
  overwrite: boolean
}

export interface Claim {
  name: string
  overwrite: boolean
  keepSource: boolean
  rule: Partial<Rule>
  capsule: Capsule
  versionId: string
  snapshotId: string
}

/**
 * Checks in the contract's order, claims the name and marks the capsule.
 * @throws Problem `name_reserved`, `conflict`, `not_found`, `invalid_state`
 */
export async function claim(store: Store, { teamId }: Caller, wanted: Wanted): Promise<Claim> {
  const name = wanted.name ?? `template-${randomHex(4)}`
  const { overwrite, keep_source: keepSource, keep_versions: keepVersions, expires_in: expiresIn } = wanted
  await assertNameFree(store, { teamId, name, overwrite })
  const capsule = await take(store, { teamId, id: wanted.sandbox_id, operation: 'snapshot', assert: assertRunning })
  const version = await newVersion(store, capsule, await claimName(store, teamId, name))
  await store.versions.insert(version)
  const rule = { ...(keepVersions ? { keepVersions } : {}), ...(expiresIn ? { expiresIn } : {}) }
  return { name, overwrite, keepSource, rule, capsule, versionId: version.id, snapshotId: version.ref }
}

/** What a capture has brought, and when it was done. */
type Facts = Omit<SnapshotInfo, 'hooks' | 'timings'> & { at: string }

/**
 * The one step in which the name begins to mean what was captured, and the source stops.
 * @throws Problem `conflict` when the name was taken meanwhile; `invalid_state` when the capsule ended
 */
export async function publish(store: Store, claim: Claim, info: Facts): Promise<Template> {
  const { name, overwrite, keepSource, rule, capsule, versionId } = claim
  // An overwrite that began later may have ended earlier.
  if (!overwrite && (await store.templates.find(capsule.teamId, name))) throw taken(name)
  const { at, ...facts } = info
  await store.versions.ready(versionId, { ...facts, createdAt: at })
  const made = await store.versions.get(versionId)
  if (!made) throw new Error('the version that was being made is gone')
  await store.names.point(made.templateId, versionId)
  await store.names.rule(made.templateId, rule)
  const row = await store.names.get(made.templateId)
  if (!row) throw new Error('the name that was claimed is gone')
  await retireSurplus(store, row)
  if (!keepSource && !(await store.capsules.move(capsule.id, 'captured')))
    throw new Problem('invalid_state', 'The capsule ended while it was captured.')
  // What the answer shows: by the time it is given, the name may mean something else, or nothing.
  const { teamId, keepVersions, expiresIn } = row
  return { name, teamId, platform: false, keepVersions, expiresIn, version: made }
}

/** What a claim has become: under its name, at its own version. @returns undefined where it has not, or that is gone */
export async function published(store: Store, versionId: string): Promise<Template | undefined> {
  const version = await store.versions.get(versionId)
  const row = version?.state === 'ready' ? await store.names.get(version.templateId) : undefined
  if (!version || !row) return undefined
  const { name, teamId, keepVersions, expiresIn } = row
  return { name, teamId, platform: false, keepVersions, expiresIn, version }
}

/** Gives a claim up. */
export async function dropClaim(store: Store, versionId: string): Promise<void> {
  const version = await store.versions.get(versionId)
  if (!version) return
  await store.versions.remove(versionId)
  await store.names.removeIfUnused(version.templateId)
}

async function newVersion(store: Store, capsule: Capsule, templateId: string): Promise<Version> {
  const parent = capsule.versionId === null ? undefined : await store.versions.get(capsule.versionId)
  return {
    id: newId('build'),
    templateId,
    number: null,
    kind: 'snapshot',
    ref: newId('snapshot'),
    state: 'pending',
    vcpus: null,
    memoryMb: null,
    sizeBytes: 0,
    parent: templateOf(capsule),
    parentNumber: parent?.number ?? null,
    sourceCapsuleId: capsule.id,
    metadata: {},
    lastUsedAt: null,
    damage: null,
    checkedAt: null,
    createdAt: now(),
  }
}

async function assertNameFree(
  store: Store,
  { teamId, name, overwrite }: { teamId: string; name: string; overwrite: boolean },
): Promise<void> {
  if (await store.templates.find(store.teams.platformId, name)) {
    throw new Problem('name_reserved', `"${name}" is the name of a platform template.`, {
      hint: 'Choose another name.',
    })
  }
  if (overwrite) return
  const known = await store.names.find(teamId, name)
  if (!known) return
  const isBeingMade = (await store.versions.pending(known.id)).length > 0
  if (known.versionId || isBeingMade) throw taken(name)
}

function taken(name: string): Problem {
  return new Problem('conflict', `There is a template "${name}" already.`, {
    hint: 'Choose another name, or overwrite it with ?overwrite=true.',
  })
}
