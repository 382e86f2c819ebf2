import { newId, Problem, type ImageInfo, type TemplateBody } from '@wrenn/wire'
import type { Store, Template, Version } from '../store/store.js'
import { now } from '../store/time.js'
import type { Caller, Context } from './context.js'
import type { Retired } from './retired.js'

/** The names that capsules are started from: the team's own and the platform's. */
export class Templates {
  readonly #store: Store

  constructor(
    { store }: Context,
    private readonly retired: Retired,
  ) {
    this.#store = store
  }

  /** Newest first. A type that does not exist has no templates. */
  async list({ teamId }: Caller, type?: string): Promise<TemplateBody[]> {
    const bodies = (await this.#store.templates.list([teamId, this.#store.teams.platformId])).map(toBody)
    return type === undefined ? bodies : bodies.filter((body) => body.type === type)
  }

  /** @throws Problem `not_found` */
  async get({ teamId }: Caller, name: string): Promise<TemplateBody> {
    return toBody(await resolve(this.#store, teamId, name))
  }

  /**
   * Makes the name mean nothing. Its files go when nothing needs them any more.
   * @throws Problem `forbidden` for a platform template; `not_found`
   */
  async delete({ teamId }: Caller, name: string): Promise<void> {
    await this.#store.transaction(async (store) => {
      const { platform, version } = await resolve(store, teamId, name)
      if (platform) throw new Problem('forbidden', `"${name}" comes with the platform and cannot be deleted.`)
      await store.names.point(version.templateId, null)
      await store.versions.retire(version.id)
    })
    this.retired.sweep()
  }

  /** Makes the platform's templates mean exactly these images. */
  async registerImages(images: readonly ImageInfo[]): Promise<void> {
    await this.#store.transaction(async (store) => {
      const { platformId } = store.teams
      for (const image of images) await registerImage(store, image)
      const offered = new Set(images.map((image) => image.name))
      for (const { name, version } of await store.templates.list([platformId]))
        if (!offered.has(name)) await withdraw(store, version)
    })
  }
}

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

/** The id of a name's row, which is made where there is none. */
export async function claimName(store: Store, teamId: string, name: string): Promise<string> {
  const known = await store.names.find(teamId, name)
  if (known) return known.id
  const id = newId('build')
  const platform = teamId === store.teams.platformId ? 1 : 0
  await store.names.insert({ id, teamId, name, platform, versionId: null, createdAt: now() })
  return id
}

async function registerImage(store: Store, image: ImageInfo): Promise<void> {
  const { platformId } = store.teams
  const present = await store.templates.find(platformId, image.name)
  if (present?.version.ref === image.id) return
  if (present) await store.versions.retire(present.version.id)
  const id = newId('build')
  const templateId = await claimName(store, platformId, image.name)
  const facts = { vcpus: null, memoryMb: null, sizeBytes: image.sizeBytes, metadata: image.metadata }
  const made = { ...facts, createdAt: image.createdAt.toISOString() }
  const origin = { parent: null, sourceCapsuleId: null }
  await store.versions.insert({
    id,
    templateId,
    number: null,
    kind: 'image',
    ref: image.id,
    state: 'pending',
    ...origin,
    ...made,
  })
  await store.versions.ready(id, made)
  await store.names.point(templateId, id)
}

async function withdraw(store: Store, version: Version): Promise<void> {
  await store.names.point(version.templateId, null)
  await store.versions.retire(version.id)
}

export function toBody({ name, platform, version }: Template): TemplateBody {
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
    ...(version.parent === null ? {} : { parent: version.parent }),
  }
}
