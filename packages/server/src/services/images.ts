import { isProblem, newId, parseTemplateRef, Problem, type HostClient, type ImageInfo } from '@wrenn/wire'
import type { Store, Version } from '../store/store.js'
import { claimName } from './template.js'

/** Makes the platform's templates mean exactly the host's images; those that are being built go on to mean what they did. */
export async function registerImages(store: Store, host: HostClient): Promise<void> {
  const [images, building] = await Promise.all([host.images(), host.building()])
  await store.transaction(async (within) => {
    const { platformId } = within.teams
    for (const image of images) await registerImage(within, image)
    const offered = new Set([...images.map((image) => image.name), ...building])
    for (const { name, version } of await within.templates.list([platformId]))
      if (!offered.has(name)) await withdraw(within, version)
  })
}

/** The error for a template that was not found: where the host is still building it, that is what to say. */
export async function orBeingBuilt(host: HostClient, ref: string, error: unknown): Promise<unknown> {
  const { name } = parseTemplateRef(ref)
  if (!isProblem(error) || error.code !== 'not_found' || !(await host.building()).includes(name)) return error
  return new Problem('host_unavailable', `The template "${name}" is still being built.`, {
    hint: 'Try again in a few minutes. GET /v1/snapshots lists it once it is there; the server says how far it is.',
  })
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
  await store.versions.insert({
    id,
    templateId,
    number: null,
    kind: 'image',
    ref: image.id,
    state: 'pending',
    ...{ parent: null, parentNumber: null, sourceCapsuleId: null },
    ...{ lastUsedAt: null, damage: null, checkedAt: null },
    ...made,
  })
  await store.versions.ready(id, made)
  await store.names.point(templateId, id)
}

async function withdraw(store: Store, version: Version): Promise<void> {
  await store.names.point(version.templateId, null)
  await store.versions.retire(version.id)
}
