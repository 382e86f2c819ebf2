/** One fake machine: a guest, its agent, and ports that are dead while it is paused. */
import type { Duplex } from 'node:stream'
import type { AgentPort, BootSpec, ShortenDisk, VmUsage } from '../types.js'
import { FakeAgent } from './agent.js'
import { FakeDisk, readLayers } from './disk.js'
import { Gate } from './gate.js'
import type { TreeState } from './files/tree.js'
import { FakeGuest, type GuestState } from './guest.js'
import { answer } from './routes/index.js'
import { wire } from './wire.js'
import type { FakeWorld } from './world.js'

/** A machine at one instant, with its files on disk left out. */
export interface MachinePicture {
  name: string
  pid: number
  layers: readonly string[]
  /** What its layers below the top hold. It has them open: they may have no name any more. */
  below: TreeState
  isPaused: boolean
  state: GuestState
  files: TreeState
}

/** What is known of a machine that was there before, or was captured. */
type Known = { [K in 'state' | 'pid' | 'files' | 'below']?: MachinePicture[K] | undefined }

export class FakeMachine {
  readonly name: string
  readonly pid: number
  /** Other than what was recorded, it is another process with its pid. */
  startTime = '0'
  readonly guest: FakeGuest
  readonly #disk: FakeDisk
  readonly ended: Promise<string>
  readonly #agent: FakeAgent
  readonly #running = new Gate()
  readonly #ports: Partial<Record<AgentPort, Duplex>> = {}
  /** How long it has run before it was last resumed, and when that was. */
  #ranMs = 0
  #since = performance.now()
  #end!: (reason: string) => void

  constructor(
    private readonly world: FakeWorld,
    { name, disk }: Pick<BootSpec, 'name' | 'disk'>,
    { state, pid = world.nextPid(), files, below }: Known = {},
  ) {
    this.name = name
    this.pid = pid
    this.guest = new FakeGuest(state, files ?? readLayers(disk))
    this.#disk = new FakeDisk(disk, below)
    this.#agent = new FakeAgent((stream, headers) => {
      const [path = ''] = (headers[':path'] ?? '').split('?')
      if (!world.silent.has(path)) void answer(this.guest, stream, headers)
    })
    this.ended = new Promise((resolve) => (this.#end = resolve))
    world.machines.set(this.pid, this)
  }

  static putBack(world: FakeWorld, { name, layers, isPaused, ...more }: MachinePicture): void {
    const machine = new FakeMachine(world, { name, disk: [...layers] }, more)
    if (isPaused) machine.pause()
  }

  picture(): MachinePicture {
    const { name, pid, paused: isPaused } = this
    const { layers, below } = this.#disk
    return { name, pid, isPaused, layers, below, state: this.guest.state, files: this.guest.disk }
  }

  get paused(): boolean {
    return !this.#running.isOpen
  }

  /** Its processor is busy whenever it is not paused, and what it holds is its memory. */
  get usage(): VmUsage {
    const now = this.paused ? 0 : performance.now() - this.#since
    return { cpuMs: this.#ranMs + now, memoryBytes: JSON.stringify(this.guest.state).length }
  }

  pause(): void {
    if (this.paused) return
    this.#ranMs += performance.now() - this.#since
    this.#running.close()
  }

  resume(): void {
    if (!this.paused) return
    this.#since = performance.now()
    this.#running.open()
  }

  /** Writes what the disk holds; with a new layer, that is written from here on. */
  flushDisk(newLayer?: string): void {
    if (newLayer === undefined) this.#disk.flush(this.guest.disk)
    else this.#disk.addLayer(newLayer, this.guest.disk)
  }

  shortenDisk(shorten: ShortenDisk): void {
    this.#disk.shorten(shorten)
  }

  /** The host's end of a port. As with a real one, a new opening replaces the one before. */
  open(port: AgentPort): Duplex {
    this.#ports[port]?.destroy()
    const { host, guest } = wire(this.#running)
    this.#ports[port] = host
    this.#agent.connected(port, guest)
    return host
  }

  /** The machine ends, whoever's wish it is. */
  end(reason: string): void {
    if (!this.world.machines.delete(this.pid)) return
    this.#running.open()
    this.#agent.end()
    this.guest.sessions.endAll()
    this.#disk.close()
    for (const port of Object.values(this.#ports)) port.destroy()
    this.#end(reason)
  }
}
