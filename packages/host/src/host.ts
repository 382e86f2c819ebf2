/** A host: it runs capsules. The implementation of `HostClient` in the same process. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Problem,
  type CaptureSpec,
  type Expected,
  type Gone,
  type Guest,
  type HostClient,
  type HostFacts,
  type ImageInfo,
  type Reconciled,
  type SnapshotInfo,
  type StartedCapsule,
  type StartSpec,
} from '@wrenn/wire'
import { captureCapsule } from './capsules/capture.js'
import { LiveCapsules } from './capsules/live.js'
import { reconcile } from './capsules/reconcile.js'
import { startCapsule } from './capsules/start.js'
import type { Context } from './context.js'
import { removeDirectory } from './fs/durable.js'
import { ReadyImages, type Size } from './images/ready.js'
import type { Image } from './images/store.js'
import { assertRestorable } from './snapshots/manifest.js'
import { corrupt, openSnapshot, type Snapshot } from './snapshots/store.js'

/** stat tells what a file occupies in units of this. */
const BLOCK = 512

export interface HostOptions {
  context: Context
  images: Image[]
  limits: HostFacts['limits']
  /** Called when the host is closed. */
  onClose?: () => Promise<void>
}

export class Host implements HostClient {
  readonly #context: Context
  readonly #images: Map<string, Image>
  readonly #limits: HostFacts['limits']
  readonly #ready: ReadyImages
  readonly #live: LiveCapsules
  readonly #onClose: (() => Promise<void>) | undefined

  constructor({ context, images, limits, onClose }: HostOptions) {
    this.#context = context
    this.#images = new Map(images.map((image) => [image.id, image]))
    this.#limits = limits
    this.#ready = new ReadyImages(context)
    this.#live = new LiveCapsules(context)
    this.#onClose = onClose
  }

  async facts(): Promise<HostFacts> {
    const { needs, acceleratorReason } = await this.#context.driver.probe()
    return {
      vmm: needs.vmm,
      vmmVersion: needs.vmmVersion,
      accelerator: needs.accelerator,
      acceleratorReason,
      limits: this.#limits,
    }
  }

  async images(): Promise<ImageInfo[]> {
    return [...this.#images.values()].map(({ id, name, size_bytes, created_at, kernel }) => ({
      id,
      name,
      sizeBytes: size_bytes,
      createdAt: new Date(created_at),
      metadata: { kernel },
    }))
  }

  reconcile(expected: Expected): Promise<Reconciled> {
    return reconcile(this.#context, this.#live, expected)
  }

  /** Makes an image's memory for a size ready ahead of the first start. */
  async makeReady(imageId: string, size: Size): Promise<void> {
    await this.#ready.get(this.#image(imageId), size)
  }

  async start({ capsuleId, template, source, vcpus, memoryMb }: StartSpec): Promise<StartedCapsule> {
    const snapshot =
      source.kind === 'image'
        ? await this.#ready.get(this.#image(source.imageId), { vcpus, memoryMb })
        : await this.#snapshot(source.snapshotId)
    return startCapsule(this.#context, this.#live, { capsuleId, template, snapshot })
  }

  async destroy(capsuleId: string): Promise<void> {
    const capsule = this.#live.find(capsuleId)
    if (capsule) await this.#live.destroy(capsule)
  }

  async capture({ capsuleId, ...spec }: CaptureSpec): Promise<SnapshotInfo> {
    return captureCapsule(this.#context, this.#live.get(capsuleId), spec)
  }

  async release(capsuleId: string): Promise<void> {
    await this.#live.get(capsuleId).vm.resume()
  }

  async deleteSnapshot(snapshotId: string): Promise<void> {
    const { paths } = this.#context
    await removeDirectory(paths.snapshot(snapshotId), paths.staging)
  }

  async diskUsedBytes(capsuleId: string): Promise<number> {
    const { dir, record } = this.#live.get(capsuleId)
    const layers = await Promise.all(record.layers.map((name) => stat(join(dir, name))))
    return layers.reduce((sum, { blocks }) => sum + blocks * BLOCK, 0)
  }

  guest(capsuleId: string): Guest {
    return this.#live.get(capsuleId).guest
  }

  onGone(listener: Gone): void {
    this.#live.onGone(listener)
  }

  async close(): Promise<void> {
    this.#live.detach()
    await this.#onClose?.()
  }

  #image(id: string): Image {
    const image = this.#images.get(id)
    if (!image)
      throw new Problem('template_corrupt', 'The image of this template is not on the host.', {
        hint: 'Restart the server: it builds what is missing.',
      })
    return image
  }

  async #snapshot(id: string): Promise<Snapshot> {
    const snapshot = await openSnapshot(this.#context.paths.snapshot(id))
    if (!snapshot) throw corrupt('its files are missing')
    assertRestorable(snapshot.manifest, (await this.#context.driver.probe()).needs)
    return snapshot
  }
}
