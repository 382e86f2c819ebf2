import { newId, type ImageInfo } from '@wrenn/wire'
import type { Store, Version } from '../store/store.js'
import { claimName } from './template.js'

/** Makes the platform's templates mean exactly these images. */
export async function registerImages(store: Store, images: readonly ImageInfo[]): Promise<void> {
  await store.transaction(async (within) => {
    const { platformId } = within.teams
    for (const image of images) await registerImage(within, image)
    const offered = new Set(images.map((image) => image.name))
    for (const { name, version } of await within.templates.list([platformId]))
      if (!offered.has(name)) await withdraw(within, version)
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
