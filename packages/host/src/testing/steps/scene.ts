/** A host on the fake vmm, with what a server's store would know of it, for tests of what becomes of all that. */
import { existsSync, mkdtempSync, mkdirSync, rmSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork, type Purpose } from '@wrenn/wire'
import { pino } from 'pino'
import type { Context } from '../../context.js'
import { Host } from '../../host.js'
import type { Image } from '../../images/store.js'
import { imageLayers, pathsOf } from '../../paths.js'
import type { UpkeepRules } from '../../snapshots/upkeep.js'
import { FakeDriver } from '../../vmm/fake/driver.js'
import { makeFakeImage } from '../../vmm/fake/image.js'
import { FakeWorld } from '../../vmm/fake/world.js'
import type { RunTask } from '../../worker/pool.js'
import * as tasks from '../../worker/tasks.js'
import { FakeNetworks } from './network.js'
import { Pictures, type Picture } from './pictures.js'
import { Steps } from './steps.js'

/** Thousands of small files are made and removed: no disk need be waited for, where there is this. */
const MEMORY = '/dev/shm'
const never: UpkeepRules = { foldBytes: Infinity, mostLayers: Infinity, coldMs: 1e9 }
const much = { totalBytes: 1e15, freeBytes: 1e15 }
export const signal = AbortSignal.timeout(600_000)

/** In this thread, so that what they do to files is seen. */
const runTask = (async (name: keyof typeof tasks, input: never) => tasks[name](input)) as RunTask

/** Everything that a server that died leaves, and what its store knew at that moment. */
export interface Moment {
  files: Picture
  machines: ReturnType<FakeWorld['picture']>
  networks: ReturnType<FakeNetworks['picture']>
  capsules: Map<string, string>
  snapshots: Map<string, string>
}

export class Scene {
  readonly root = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'wrenn-scene-'))
  readonly dataDir = join(this.root, 'data')
  readonly paths = pathsOf(this.dataDir)
  readonly world = new FakeWorld()
  readonly networks = new FakeNetworks()
  readonly pictures = new Pictures(join(this.root, 'pictures'))
  /** What runs, and what is kept, as the store knows it; each with its content. */
  readonly capsules = new Map<string, string>()
  readonly snapshots = new Map<string, string>()
  /** What was logged as a warning or worse. */
  readonly lines: string[] = []
  host!: Host
  #image: Promise<Image> | undefined

  private constructor(readonly steps: Steps) {}

  static async make(): Promise<Scene> {
    const scene: Scene = new Scene(undefined as unknown as Steps)
    mkdirSync(scene.dataDir)
    return Object.assign(scene, { steps: await Steps.of(scene) })
  }

  /** Opens the host as a server does that starts; the store knows what it knows. */
  async open(rules: Partial<UpkeepRules> = {}) {
    const { paths, world, networks } = this
    const around = (step: string, work: () => unknown) => this.steps.around(step, work)
    const image = await (this.#image ??= this.#makeImage())
    const log = pino({ level: 'warn' }, { write: (line) => void this.lines.push(line) })
    const context: Context = { paths, driver: new FakeDriver(world), network: networks.open(around), runTask, log }
    this.host = new Host({
      context,
      images: [image],
      limits: { maxVcpus: 4, maxMemoryMb: 1024 },
      upkeep: { ...never, ...rules },
      machine: { memory: async () => much, disk: async () => much },
    })
    return this.host.reconcile({ capsuleIds: [...this.capsules.keys()], snapshotIds: [...this.snapshots.keys()] })
  }

  /** Opens it with a bystander and a snapshot of that, and prepares what else is wanted. */
  async begin(prepare?: (scene: Scene) => Promise<string>): Promise<string> {
    await this.open()
    await this.snapshot(await this.capsule('of a bystander'))
    return (await prepare?.(this)) ?? ''
  }

  async #makeImage(): Promise<Image> {
    const { paths } = this
    for (const dir of [paths.images, paths.snapshots, paths.capsules, paths.staging]) mkdirSync(dir, { mode: 0o755 })
    const image = await makeFakeImage(paths, 'minimal')
    chmodSync(join(image.dir, imageLayers.root), 0o444)
    return image
  }

  async reopen(rules: Partial<UpkeepRules> = {}) {
    await this.host.close()
    return this.open(rules)
  }

  /** Starts a capsule, of which the store knows nothing yet. */
  async start({ from, id = newId('capsule'), memoryMb = 1 }: StartOf = {}): Promise<string> {
    const source = from
      ? ({ kind: 'snapshot', snapshotId: from } as const)
      : ({ kind: 'image', imageId: 'minimal-fake' } as const)
    await this.host.start({ capsuleId: id, source, vcpus: 1, memoryMb, template: 'minimal', network: openNetwork })
    return id
  }

  /** A capsule that runs with a content. */
  async capsule(content: string): Promise<string> {
    const id = await this.start()
    await this.write(id, content)
    this.capsules.set(id, content)
    return id
  }

  /** A snapshot of a capsule that runs on. */
  async snapshot(capsuleId: string, purpose: Purpose = 'template'): Promise<string> {
    const id = await this.capture(capsuleId, { purpose })
    this.snapshots.set(id, this.capsules.get(capsuleId)!)
    return id
  }

  /** Captures, and the store knows nothing of it yet. */
  async capture(
    capsuleId: string,
    { purpose = 'template', keepSource = true }: { purpose?: Purpose; keepSource?: boolean } = {},
  ): Promise<string> {
    const snapshotId = newId('snapshot')
    await this.host.capture({ capsuleId, snapshotId, keepSource, purpose })
    return snapshotId
  }

  /** Puts a content on the disk and into the memory of a capsule. */
  async write(id: string, content: string): Promise<void> {
    for (const path of places) await this.host.guest(id).writeFile(path, [Buffer.from(content)] as never, signal)
  }

  /** What a capsule holds, on its disk and in its memory. */
  async read(id: string): Promise<string[]> {
    return Promise.all(
      places.map(async (path) => {
        const { chunks } = await this.host.guest(id).readFile(path, signal)
        const parts: Uint8Array[] = []
        for await (const chunk of chunks) parts.push(chunk)
        return Buffer.concat(parts).toString()
      }),
    )
  }

  /** What the store knows, as a text to compare. */
  get ids(): string {
    return [...this.capsules.keys(), ...this.snapshots.keys()].join()
  }

  moment(): Moment {
    return {
      files: this.pictures.take(this.dataDir),
      machines: this.world.picture(),
      networks: this.networks.picture(),
      capsules: new Map(this.capsules),
      snapshots: new Map(this.snapshots),
    }
  }

  /** Makes everything as it was at a moment. No host may be open. */
  putBack({ files, machines, networks, capsules, snapshots }: Moment): void {
    for (const machine of [...this.world.machines.values()]) machine.end('the scene changes')
    this.pictures.putBack(files, this.dataDir)
    this.world.putBack(machines)
    this.networks.putBack(networks)
    replace(this.capsules, capsules)
    replace(this.snapshots, snapshots)
    this.lines.length = 0
  }

  end(): void {
    this.steps.end()
    for (const machine of [...this.world.machines.values()]) machine.end('the scene ends')
    rmSync(this.root, { recursive: true, force: true })
  }
}

interface StartOf {
  /** A snapshot; otherwise the image. */
  from?: string
  id?: string
  memoryMb?: number
}

/** On the disk, and in memory alone. */
const places = ['/root/content', '/dev/shm/content']

function replace<K, V>(map: Map<K, V>, by: Map<K, V>): void {
  map.clear()
  for (const [key, value] of by) map.set(key, value)
}
