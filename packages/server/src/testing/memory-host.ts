import {
  Problem,
  type CaptureSpec,
  type Damaged,
  type Expected,
  type Gone,
  type CapsuleSample,
  type HostClient,
  type HookResult,
  type HostFacts,
  type ImageInfo,
  type NetworkPolicy,
  type Reconciled,
  type Renewal,
  type Room,
  type SnapshotInfo,
  type Source,
  type StartedCapsule,
  type StartSpec,
  type StartsWanted,
  type Usage,
  type VerifiedPart,
} from '@wrenn/wire'
import { Faults } from './faults.js'
import { MemoryGuest, type Contents, type Program, type Reader } from './memory-guest.js'

export type Point =
  | 'admit'
  | 'start'
  | 'started'
  | 'destroy'
  | 'capture'
  | 'captured'
  | 'release'
  | 'deleteSnapshot'
  | 'diskUsedBytes'
  | 'usage'
  | 'verify'
  | 'samples'
  | 'setNetwork'

export interface MemoryCapsule extends Contents {
  spec: StartSpec
  /** Captured, and neither released nor destroyed yet. */
  isHeld: boolean
  guest: MemoryGuest
}

interface Stored extends Pick<StartSpec, 'vcpus' | 'memoryMb'> {
  purpose: CaptureSpec['purpose']
  files: Map<string, Buffer>
  /** What is wrong with it. */
  damage?: string
}

const created = new Date('2026-01-02T03:04:05.678Z')
const image = (name: string): ImageInfo => ({
  id: `img-${name}`,
  name,
  sizeBytes: 1000,
  createdAt: created,
  metadata: { kernel: '1', vmm: '2', agent: '3' },
})

/** A host that keeps everything in memory. It outlives the servers on it, as a real one's capsules do. */
export class MemoryHost implements HostClient {
  readonly faults = new Faults<Point>()
  readonly capsules = new Map<string, MemoryCapsule>()
  readonly snapshots = new Map<string, Stored>()
  offered = [image('minimal'), image('base-python')]
  /** The names of images that are to come by `build`. */
  coming: string[] = []
  /** What `reconcile` was told last. */
  expected: Expected | undefined
  /** The programs of every capsule. */
  readonly programs: Record<string, Program> = {}
  readonly readers: Record<string, Reader> = {}
  /** What listens in every capsule: which port of this machine is which port of the guest. */
  readonly ports: Record<number, number> = {}
  /** What was verified, in its order. */
  readonly verified: string[] = []
  /** What the next starts make their capsules' own. */
  renewal: Renewal = {
    at: created.toISOString(),
    renewed: ['random', 'clock'],
    clock_offset_ms: 1.5,
    hooks: [{ name: '10-app', exit_code: 3, timed_out: false, duration_ms: 2, output: 'no such file' }],
  }
  /** What programs do before the next captures. */
  hooks: HookResult[] = []
  /** Whether it gives capsules a network. */
  hasNetwork = true
  /** How often `samples` was asked. */
  asked = 0
  /** What `samples` tells. */
  using: () => CapsuleSample[] = () => []
  /** What it was asked to have room for. */
  readonly admitted: StartsWanted[] = []
  has: Room = {
    ...{ memoryFreeBytes: 4000, memoryReserveBytes: 400, memoryPromisedBytes: 512, memoryMostPromisedBytes: 16_000 },
    ...{ diskFreeBytes: 9000, diskReserveBytes: 900, startsWaiting: 1, capturesWaiting: 2 },
  }
  #changed = () => {}
  #gone: Gone = () => {}
  #damaged: Damaged = () => {}

  async facts(): Promise<HostFacts> {
    const limits = { maxVcpus: 8, maxMemoryMb: 4096 }
    const network = { isThere: this.hasNetwork, reason: 'a double' }
    return { vmm: 'memory', vmmVersion: '1', accelerator: 'none', acceleratorReason: 'a double', limits, network }
  }

  async images(): Promise<ImageInfo[]> {
    return this.offered
  }

  async building(): Promise<string[]> {
    return this.coming
  }

  onImages(listener: () => void): void {
    this.#changed = listener
  }

  /** The image that was to come is there. */
  build(name: string): void {
    this.coming = this.coming.filter((other) => other !== name)
    this.offered = [...this.offered, image(name)]
    this.#changed()
  }

  async reconcile(expected: Expected): Promise<Reconciled> {
    this.expected = expected
    const isThere = (id: string) => this.capsules.has(id)
    for (const id of this.capsules.keys()) if (!expected.capsuleIds.includes(id)) this.capsules.delete(id)
    for (const id of this.snapshots.keys()) if (!expected.snapshotIds.includes(id)) this.snapshots.delete(id)
    for (const capsule of this.capsules.values()) capsule.isHeld = false
    const lost = expected.capsuleIds
      .filter((id) => !isThere(id))
      .map((capsuleId) => ({ capsuleId, reason: 'it is gone' }))
    return { running: expected.capsuleIds.filter(isThere), lost }
  }

  async admit(wanted: StartsWanted): Promise<void> {
    this.admitted.push(wanted)
    await this.faults.pass('admit')
  }

  async room(): Promise<Room> {
    return this.has
  }

  async start(spec: StartSpec): Promise<StartedCapsule> {
    await this.faults.pass('start')
    if (this.capsules.has(spec.capsuleId)) throw new Error('a capsule that is there was started')
    const stored = spec.source.kind === 'snapshot' ? this.#stored(spec.source.snapshotId) : undefined
    const contents = this.#contents(new Map(stored?.files))
    this.capsules.set(
      spec.capsuleId,
      Object.assign(contents, { spec, isHeld: false, guest: new MemoryGuest(contents) }),
    )
    await this.faults.pass('started')
    return { diskSizeMb: 20_480, renewal: this.renewal, timings: { restore: 1.25, agent: 2 } }
  }

  async destroy(id: string): Promise<void> {
    await this.faults.pass('destroy')
    this.capsules.delete(id)
  }

  async capture({ capsuleId, snapshotId, purpose, keepSource }: CaptureSpec): Promise<SnapshotInfo> {
    await this.faults.pass('capture')
    const capsule = this.capsule(capsuleId)
    if (capsule.isHeld) throw new Error('a held capsule was captured')
    const { vcpus, memoryMb } = capsule.spec
    this.snapshots.set(snapshotId, { vcpus, memoryMb, purpose, files: new Map(capsule.files) })
    capsule.isHeld = !keepSource
    await this.faults.pass('captured').catch((error: unknown) => {
      this.snapshots.delete(snapshotId)
      capsule.isHeld = false
      throw error
    })
    const metadata = { kernel: '1', vmm: '2', agent: '3' }
    return { vcpus, memoryMb, sizeBytes: 4096, metadata, hooks: this.hooks, timings: { pause: 12.34, write: 5 } }
  }

  async setNetwork(id: string, network: NetworkPolicy): Promise<void> {
    await this.faults.pass('setNetwork')
    this.capsule(id).spec.network = network
  }

  async release(id: string): Promise<void> {
    await this.faults.pass('release')
    this.capsule(id).isHeld = false
  }

  async deleteSnapshot(id: string): Promise<void> {
    await this.faults.pass('deleteSnapshot')
    this.snapshots.delete(id)
  }

  async usage(id: string): Promise<Usage> {
    await this.faults.pass('usage')
    if (!this.snapshots.has(id)) throw new Problem('template_corrupt', 'The snapshot is gone.')
    return { sharedBytes: 1000, uniqueBytes: 24 }
  }

  async verify(source: Source): Promise<VerifiedPart[]> {
    await this.faults.pass('verify')
    const id = source.kind === 'image' ? source.imageId : source.snapshotId
    this.verified.push(id)
    const stored = this.snapshots.get(id)
    if (source.kind === 'snapshot' && !stored) throw new Problem('template_corrupt', 'The snapshot is gone.')
    const disk = { name: 'disk', bytes: 20 }
    return [{ name: 'memory', bytes: 10 }, stored?.damage === undefined ? disk : { ...disk, problem: stored.damage }]
  }

  async diskUsedBytes(id: string): Promise<number> {
    await this.faults.pass('diskUsedBytes')
    return this.capsule(id).files.size + 1
  }

  async samples(): Promise<CapsuleSample[]> {
    this.asked++
    await this.faults.pass('samples')
    return this.using()
  }

  guest(id: string): MemoryGuest {
    return this.capsule(id).guest
  }

  onGone(listener: Gone): void {
    this.#gone = listener
  }

  onDamaged(listener: Damaged): void {
    this.#damaged = listener
  }

  async close(): Promise<void> {}

  /** Another host that holds the same now, and goes its own way from here on. */
  copy(): MemoryHost {
    const copy = new MemoryHost()
    for (const [id, { spec, files, isHeld }] of this.capsules) {
      const contents = { ...copy.#contents(new Map(files)), spec: { ...spec }, isHeld }
      copy.capsules.set(id, Object.assign(contents, { guest: new MemoryGuest(contents) }))
    }
    for (const [id, stored] of this.snapshots) copy.snapshots.set(id, { ...stored, files: new Map(stored.files) })
    return copy
  }

  /** @throws Problem `host_unavailable` for one that is not here */
  capsule(id: string): MemoryCapsule {
    const capsule = this.capsules.get(id)
    if (!capsule) throw new Problem('host_unavailable', 'The capsule is not on this host.')
    return capsule
  }

  /** A capsule ends by itself. */
  end(id: string, reason: string): void {
    this.capsules.delete(id)
    this.#gone(id, reason)
  }

  /** The host finds out by itself that a snapshot is damaged. */
  findDamage(id: string, what: string): void {
    this.#damaged(id, what)
  }

  #contents(files: Contents['files']): Contents {
    const { programs, readers, ports } = this
    return { files, programs, readers, ports, sessions: [] }
  }

  #stored(id: string): Stored {
    const stored = this.snapshots.get(id)
    if (!stored) throw new Problem('template_corrupt', 'The snapshot is gone.')
    if (stored.damage !== undefined) throw new Problem('template_corrupt', `It is damaged: ${stored.damage}.`)
    return stored
  }
}
