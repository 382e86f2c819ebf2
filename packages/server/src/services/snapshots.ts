import { newId, Problem, randomHex, type CreateSnapshot, type SnapshotInfo, type TemplateBody } from '@wrenn/wire'
import type { Capsule, Store, Template, Version } from '../store/store.js'
import { now } from '../store/time.js'
import type { Background } from './background.js'
import { assertRunning, findCapsule } from './capsules.js'
import type { Caller, Context } from './context.js'
import type { Retired } from './retired.js'
import { claimName, toBody } from './templates.js'
import { Undo } from './undo.js'

export interface Wanted extends CreateSnapshot {
  overwrite: boolean
}

interface Claim {
  name: string
  overwrite: boolean
  keepSource: boolean
  capsule: Capsule
  version: Version
}

/** The capture of running capsules as templates. */
export class Snapshots {
  readonly #context: Context
  readonly #background: Background
  readonly #retired: Retired

  constructor(context: Context, { background, retired }: { background: Background; retired: Retired }) {
    this.#context = context
    this.#background = background
    this.#retired = retired
  }

  /**
   * Captures a capsule under a name, and destroys it unless it is to be kept. Whoever asked may leave: it is completed.
   * @throws Problem `name_reserved`, `conflict`, `not_found`, `invalid_state`, and what the host says; then the source
   * runs on and the name means what it did
   */
  async create(caller: Caller, wanted: Wanted): Promise<TemplateBody> {
    const claim = await this.#context.store.transaction((store) => begin(store, caller, wanted))
    const { id } = claim.capsule
    return this.#background.run(id, () => this.#complete(claim))
  }

  async #complete(claim: Claim): Promise<TemplateBody> {
    const made = await this.#make(claim)
    // The template stands: what becomes of the source cannot undo it any more.
    await this.#leaveSource(claim)
    this.#retired.sweep()
    return toBody(made)
  }

  /** Captures, and makes the name mean what was captured; or takes everything back. */
  async #make(claim: Claim): Promise<Template> {
    const { store, fleet, log } = this.#context
    const { capsule, version, keepSource } = claim
    const undo = new Undo(log)
    undo.add('the claim of the name', () => dropClaim(store, version))
    undo.add('the operation', () => store.capsules.end(capsule.id, 'snapshot'))
    try {
      const host = fleet.hostFor(capsule.id)
      const info = await host.capture({ capsuleId: capsule.id, snapshotId: version.ref, keepSource })
      undo.add('the hold', () => host.release(capsule.id))
      undo.add('the snapshot', () => host.deleteSnapshot(version.ref))
      return await store.transaction((within) => publish(within, claim, info))
    } catch (error) {
      await undo.run()
      throw error
    }
  }

  async #leaveSource({ capsule: { id }, keepSource }: Claim): Promise<void> {
    const { store, fleet, log } = this.#context
    try {
      const host = fleet.hostFor(id)
      await (keepSource ? host.release(id) : host.destroy(id))
    } catch (err) {
      log.error({ err, capsule: id }, 'a captured capsule could not be let go')
    }
    // Not before: nothing else may begin on a capsule that is held. One that was not kept has moved already.
    if (keepSource) await store.capsules.end(id, 'snapshot')
  }
}

/** Checks in the contract's order, claims the name and marks the capsule. */
async function begin(store: Store, { teamId }: Caller, wanted: Wanted): Promise<Claim> {
  const name = wanted.name ?? `template-${randomHex(4)}`
  const { overwrite } = wanted
  await assertNameFree(store, { teamId, name, overwrite })
  const capsule = findCapsule(await store.capsules.find(teamId, wanted.sandbox_id))
  assertRunning(capsule)
  if (!(await store.capsules.begin(capsule.id, 'snapshot'))) {
    throw new Problem('invalid_state', 'Something else is being done to this capsule.', {
      hint: 'Try again when it is done.',
    })
  }
  const templateId = await claimName(store, teamId, name)
  const version: Version = {
    id: newId('build'),
    templateId,
    number: null,
    kind: 'snapshot',
    ref: newId('snapshot'),
    state: 'pending',
    vcpus: null,
    memoryMb: null,
    sizeBytes: 0,
    parent: capsule.template,
    sourceCapsuleId: capsule.id,
    metadata: {},
    createdAt: now(),
  }
  await store.versions.insert(version)
  return { name, overwrite, keepSource: wanted.keep_source, capsule, version }
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

/** The one step in which the name begins to mean the new version. */
async function publish(
  store: Store,
  { name, overwrite, keepSource, capsule, version }: Claim,
  info: SnapshotInfo,
): Promise<Template> {
  const before = await store.templates.find(capsule.teamId, name)
  // An overwrite that began later may have ended earlier.
  if (before && !overwrite) throw taken(name)
  await store.versions.ready(version.id, { ...info, createdAt: now() })
  await store.names.point(version.templateId, version.id)
  if (before) await store.versions.retire(before.version.id)
  if (!keepSource && !(await store.capsules.move(capsule.id, 'captured'))) {
    throw new Problem('invalid_state', 'The capsule ended while it was captured.')
  }
  const made = await store.versions.get(version.id)
  if (!made) throw new Error('the version that was being made is gone')
  // What the answer shows: by the time it is given, the name may mean something else, or nothing.
  return { name, teamId: capsule.teamId, platform: false, version: made }
}

async function dropClaim(store: Store, version: Version): Promise<void> {
  await store.transaction(async (within) => {
    await within.versions.remove(version.id)
    await within.names.removeIfUnused(version.templateId)
  })
}
