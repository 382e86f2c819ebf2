/** A host: it runs capsules. The implementation of `HostClient` in the same process. */
import { availableParallelism } from 'node:os'
import {
  Problem,
  type CapsuleSample,
  type CaptureSpec,
  type Damaged,
  type Expected,
  type Gone,
  type Guest,
  type HostClient,
  type HostFacts,
  type ImageInfo,
  type NetworkPolicy,
  type Reconciled,
  type Room,
  type SnapshotInfo,
  type Source,
  type StartedCapsule,
  type StartSpec,
  type StartsWanted,
  type Usage,
  type VerifiedPart,
} from '@wrenn/wire'
import { Admission, type Reserves } from './admission/admission.js'
import { Lane } from './admission/lane.js'
import { thisMachine, type Machine } from './admission/machine.js'
import { captureCapsule } from './capsules/capture.js'
import { ClockKeeper } from './capsules/clock-keeper.js'
import { governCapsule, noteNetwork } from './capsules/govern.js'
import { LiveCapsules } from './capsules/live.js'
import { reconcile } from './capsules/reconcile.js'
import { diskBytesOf, sample } from './capsules/sample.js'
import { Shortening } from './capsules/shorten.js'
import { startCapsule, type Start, type WithSnapshot } from './capsules/start.js'
import type { Context } from './context.js'
import { ReadyImages, type Size } from './images/ready.js'
import type { Image } from './images/store.js'
import { telling } from './problems.js'
import { Locks } from './snapshots/locks.js'
import { Snapshots } from './snapshots/snapshots.js'
import { Upkeep, upkeepRules, type UpkeepRules } from './snapshots/upkeep.js'

/** How many starts are under way at once, for each processor: more would only make all of them late. */
const STARTS_PER_PROCESSOR = 4
const CAPTURES_PER_PROCESSOR = 4
/** As many as one fork may ask for, twice. */
const MOST_WAITING = 200
/** A client that waits longer has long given up, in milliseconds. */
const WAIT_MS = 120_000

export interface HostOptions {
  context: Context
  images: Image[]
  /** The names of the templates whose images come later, by `offer`. */
  building?: string[] | undefined
  limits: HostFacts['limits']
  /** Where upkeep is to do other than it does by itself. */
  upkeep?: Partial<UpkeepRules> | undefined
  /** What it leaves free of the machine. */
  reserves?: Reserves | undefined
  /** What the machine has. Default: what it says itself. */
  machine?: Machine | undefined
  /** Called when the host is closed. */
  onClose?: () => Promise<void>
}

export class Host implements HostClient {
  readonly #context: Context
  readonly #images: Map<string, Image>
  readonly #building: Set<string>
  readonly #limits: HostFacts['limits']
  readonly #ready: ReadyImages
  readonly #live: LiveCapsules
  readonly #snapshots: Snapshots
  readonly #admission: Admission
  readonly #starting = lane('starts', STARTS_PER_PROCESSOR)
  readonly #capturing = lane('captures', CAPTURES_PER_PROCESSOR)
  readonly #upkeep: Upkeep
  /** Of capsules: one changes what a capsule's disk consists of. */
  readonly #locks = new Locks()
  readonly #shortening: Shortening
  readonly #clocks: ClockKeeper
  readonly #onClose: (() => Promise<void>) | undefined
  #onImages: () => void = () => {}

  constructor({ context, images, building = [], limits, upkeep, reserves, machine, onClose }: HostOptions) {
    this.#context = context
    this.#images = new Map(images.map((image) => [image.id, image]))
    this.#building = new Set(building)
    this.#limits = limits
    this.#ready = new ReadyImages(context)
    this.#live = new LiveCapsules(context)
    const promisedMb = () => this.#live.all().reduce((sum, { record }) => sum + record.origin.memory_mb, 0)
    this.#admission = new Admission(machine ?? thisMachine(context.paths.data), promisedMb, reserves)
    this.#snapshots = new Snapshots(context)
    this.#clocks = new ClockKeeper({ live: this.#live, log: context.log })
    this.#upkeep = new Upkeep(context, this.#snapshots, upkeep)
    const { mostLayers } = { ...upkeepRules, ...upkeep }
    this.#shortening = new Shortening(context, { live: this.#live, locks: this.#locks, mostLayers })
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
      network: this.#context.network.facts,
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

  async building(): Promise<string[]> {
    return [...this.#building]
  }

  onImages(listener: () => void): void {
    this.#onImages = listener
  }

  /** Takes in an image that was built meanwhile, once its memory for a size is ready. */
  async offer(image: Image, size: Size): Promise<void> {
    await this.#ready.get(image, size)
    this.#images.set(image.id, image)
    this.giveUp(image.name)
  }

  /** No image of this name is being built any more. */
  giveUp(template: string): void {
    this.#building.delete(template)
    this.#onImages()
  }

  async reconcile(expected: Expected): Promise<Reconciled> {
    const reconciled = await reconcile(this.#context, this.#live, expected)
    this.#upkeep.consider(expected.snapshotIds)
    this.#clocks.keep(this.#live.all())
    return reconciled
  }

  /** Makes an image's memory for a size ready ahead of the first start. */
  async makeReady(imageId: string, size: Size): Promise<void> {
    await this.#ready.get(this.#image(imageId), size)
  }

  async admit({ count, memoryMb }: StartsWanted): Promise<void> {
    this.#starting.assertRoom(count)
    await this.#admission.assertStarts(count, memoryMb)
  }

  async room(): Promise<Room> {
    const [startsWaiting, capturesWaiting] = [this.#starting.waiting, this.#capturing.waiting]
    return { ...(await this.#admission.room()), startsWaiting, capturesWaiting }
  }

  async start({ capsuleId, template, source, vcpus, memoryMb, network }: StartSpec): Promise<StartedCapsule> {
    if (source.kind === 'image') {
      const image = this.#image(source.imageId)
      const withSnapshot: WithSnapshot = async (use) => {
        const snapshot = await this.#ready.get(image, { vcpus, memoryMb })
        await this.#snapshots.verifier.check(snapshot)
        return use(snapshot)
      }
      return this.#start(memoryMb, { capsuleId, template, network, withSnapshot })
    }
    const id = source.snapshotId
    const withSnapshot: WithSnapshot = (use) => this.#snapshots.useForStart(id, use)
    this.#upkeep.used(id)
    return this.#snapshots.noting(id, () => this.#start(memoryMb, { capsuleId, template, network, withSnapshot }))
  }

  async destroy(capsuleId: string): Promise<void> {
    const capsule = this.#live.find(capsuleId)
    await telling('The capsule could not be ended.', () =>
      // What is left of one that could be ended only in part is removed the next time.
      capsule ? this.#live.destroy(capsule) : this.#live.removeFiles(capsuleId),
    )
  }

  async capture({ capsuleId, ...spec }: CaptureSpec): Promise<SnapshotInfo> {
    const capsule = this.#live.get(capsuleId)
    await telling('The capsule could not be captured.', async () => {
      const { memoryBytes } = await capsule.vm.usage()
      await this.#admission.assertCapture(memoryBytes, spec.keepSource)
    })
    const capture = () => captureCapsule(this.#context, capsule, spec)
    const info = await this.#capturing.run(() => this.#locks.run(capsuleId, capture))
    if (spec.keepSource) this.#shortening.consider(capsuleId)
    if (spec.purpose !== 'fork') this.#upkeep.consider([spec.snapshotId])
    return info
  }

  async setNetwork(capsuleId: string, network: NetworkPolicy): Promise<void> {
    const capsule = this.#live.get(capsuleId)
    await telling("The capsule's network could not be changed.", async () => {
      await governCapsule(capsule, network)
      await this.#locks.run(capsuleId, () => noteNetwork(capsule))
    })
  }

  async release(capsuleId: string): Promise<void> {
    const capsule = this.#live.get(capsuleId)
    await telling('The capsule could not be let go on.', () => capsule.vm.resume())
    capsule.isHeld = false
  }

  async deleteSnapshot(snapshotId: string): Promise<void> {
    this.#upkeep.forget(snapshotId)
    await telling('The snapshot could not be removed.', () => this.#snapshots.remove(snapshotId))
  }

  usage(snapshotId: string): Promise<Usage> {
    return this.#snapshots.usage(snapshotId)
  }

  async verify(source: Source): Promise<VerifiedPart[]> {
    return source.kind === 'snapshot'
      ? this.#snapshots.verify(source.snapshotId)
      : this.#ready.verify(this.#image(source.imageId), this.#snapshots.verifier)
  }

  async diskUsedBytes(capsuleId: string): Promise<number> {
    return diskBytesOf(this.#live.get(capsuleId))
  }

  samples(): Promise<CapsuleSample[]> {
    return sample(this.#live.all(), this.#context.log)
  }

  guest(capsuleId: string): Guest {
    return this.#live.get(capsuleId).guest
  }

  onGone(listener: Gone): void {
    this.#live.onGone(listener)
  }

  onDamaged(listener: Damaged): void {
    this.#snapshots.onDamaged(listener)
  }

  /** Resolves when the upkeep that was due so far has been done. */
  upkept(): Promise<void> {
    return Promise.all([this.#upkeep.idle(), this.#shortening.idle()]).then(() => {})
  }

  async close(): Promise<void> {
    this.#clocks.close()
    await Promise.all([this.#upkeep.close(), this.#ready.close(), this.#shortening.close()])
    this.#live.detach()
    await this.#context.driver.close()
    await this.#onClose?.()
  }

  async #start(memoryMb: number, start: Start): Promise<StartedCapsule> {
    const room = await telling('The capsule could not be started.', () => this.#admission.begin(memoryMb))
    try {
      return await this.#starting.run(async () => {
        const started = await startCapsule(this.#context, this.#live, start)
        const capsule = this.#live.find(start.capsuleId)
        if (capsule) this.#clocks.keep([capsule])
        return started
      })
    } finally {
      room.end()
    }
  }

  #image(id: string): Image {
    const image = this.#images.get(id)
    if (!image && this.#building.size > 0)
      throw new Problem('host_unavailable', 'The image of this template is still being built.', {
        hint: 'Try again in a few minutes.',
      })
    if (!image)
      throw new Problem('host_unavailable', 'The image of this template is not on the host.', {
        hint: 'Restart the server: it builds what is missing.',
      })
    return image
  }
}

function lane(what: string, perProcessor: number): Lane {
  return new Lane({ what, atOnce: availableParallelism() * perProcessor, mostWaiting: MOST_WAITING, waitMs: WAIT_MS })
}
