/** One name: what it means, and how that is shown. */
import { KEPT_VERSIONS, newId, parseTemplateRef, Problem, type Source, type TemplateBody } from '@wrenn/wire'
import type { Name, Store, Template, Version } from '../store/store.js'
import { now } from '../store/time.js'

/**
 * What a name means to a team.
 * @throws Problem `not_found`
 */
export async function resolve(store: Store, teamId: string, name: string): Promise<Template> {
  const template =
    (await store.templates.find(teamId, name)) ?? (await store.templates.find(store.teams.platformId, name))
  if (template) return template
  throw new Problem('not_found', `There is no template "${name}".`, { hint: 'GET /v1/snapshots lists what there is.' })
}

/**
 * What a name means, or one version of it: `name@3`.
 * @throws Problem `not_found`
 */
export async function resolveRef(store: Store, teamId: string, ref: string): Promise<Template> {
  const { name, version } = parseTemplateRef(ref)
  const template = await resolve(store, teamId, name)
  return version === undefined ? template : atVersion(store, template, version)
}

/**
 * The template at another of its versions.
 * @throws Problem `not_found`
 */
export async function atVersion(store: Store, template: Template, number: number): Promise<Template> {
  const version = await store.versions.numbered(template.version.templateId, number)
  if (version) return { ...template, version }
  throw new Problem('not_found', `There is no version ${number} of "${template.name}".`, {
    hint: `GET /v1/snapshots/${template.name}/versions lists those that are kept.`,
  })
}

/** @throws Problem `forbidden` */
export function assertOwn({ name, platform }: Template): void {
  if (platform) throw new Problem('forbidden', `"${name}" comes with the platform and cannot be changed or deleted.`)
}

/** What a host starts it from. */
export function sourceOf({ kind, ref }: Version): Source {
  return kind === 'image' ? { kind, imageId: ref } : { kind, snapshotId: ref }
}

/** The id of a name's row, which is made where there is none. */
export async function claimName(store: Store, teamId: string, name: string): Promise<string> {
  const known = await store.names.find(teamId, name)
  return known ? known.id : newName(store, teamId, name)
}

/**
 * Ends a name with all its versions. It is free at once; what is being made for it goes to the next name of its kind.
 */
export async function buryName(
  store: Store,
  { id, name, teamId }: Pick<Name, 'id' | 'name' | 'teamId'>,
): Promise<void> {
  for (const version of await store.versions.kept(id)) await store.versions.retire(version.id)
  await store.names.bury(id)
  const pending = await store.versions.pending(id)
  if (pending.length === 0) return
  const next = await newName(store, teamId, name)
  for (const version of pending) await store.versions.rehome(version.id, next)
}

async function newName(store: Store, teamId: string, name: string): Promise<string> {
  const id = newId('build')
  const platform = teamId === store.teams.platformId ? 1 : 0
  const rule = { keepVersions: KEPT_VERSIONS, expiresIn: null, lastNumber: 0 }
  await store.names.insert({ id, teamId, name, platform, versionId: null, ...rule, createdAt: now() })
  return id
}

export function toBody({ name, platform, keepVersions, expiresIn, version }: Template): TemplateBody {
  const { parent, parentNumber, sourceCapsuleId, lastUsedAt, damage } = version
  return {
    name,
    type: version.kind === 'image' ? 'base' : 'snapshot',
    vcpus: version.vcpus,
    memory_mb: version.memoryMb,
    size_bytes: version.sizeBytes,
    created_at: version.createdAt,
    platform,
    protected: platform,
    metadata: version.metadata,
    // Only a version that is being made has no number, and no name means one.
    version: version.number ?? 0,
    ...(parent === null ? {} : { parent }),
    ...(parentNumber === null ? {} : { parent_version: parentNumber }),
    ...(sourceCapsuleId === null ? {} : { source: sourceCapsuleId }),
    ...(lastUsedAt === null ? {} : { last_used_at: lastUsedAt }),
    ...(platform ? {} : { keep_versions: keepVersions }),
    ...(platform || expiresIn === null ? {} : { expires_in: expiresIn }),
    ...(damage === null ? {} : { damage }),
  }
}
