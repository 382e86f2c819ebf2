/** One fake machine: a guest, its agent, and ports that are dead while it is paused. */
import { duplexPair, type Duplex } from 'node:stream'
import { roomIn } from '../../wait.js'
import type { AgentPort, BootSpec, ShortenDisk } from '../types.js'
import { FakeAgent } from './agent.js'
import { FakeDisk, readLayers } from './disk.js'
import { Gate } from './gate.js'
import { FakeGuest, type GuestState } from './guest.js'
import type { FakeWorld } from './world.js'

export class FakeMachine {
  readonly name: string
  readonly pid: number
  readonly guest: FakeGuest
  readonly #disk: FakeDisk
  readonly ended: Promise<string>
  readonly #agent: FakeAgent
  readonly #running = new Gate()
  readonly #ports: Partial<Record<AgentPort, Duplex>> = {}
  #end!: (reason: string) => void

  constructor(
    private readonly world: FakeWorld,
    { name, disk }: Pick<BootSpec, 'name' | 'disk'>,
    state?: GuestState,
  ) {
    this.name = name
    this.pid = world.nextPid()
    this.guest = new FakeGuest(state, readLayers(disk))
    this.#disk = new FakeDisk(disk)
    this.#agent = new FakeAgent(this.guest, (path) => world.silent.has(path))
    this.ended = new Promise((resolve) => (this.#end = resolve))
    world.machines.set(this.pid, this)
  }

  get paused(): boolean {
    return !this.#running.isOpen
  }

  pause(): void {
    this.#running.close()
  }

  resume(): void {
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
    const [host, near] = duplexPair()
    const [far, guest] = duplexPair()
    this.#ports[port] = host
    for (const stream of [near, far]) stream.on('error', () => {})
    void this.#carry(near, far)
    void this.#carry(far, near)
    this.#agent.connected(port, guest)
    return host
  }

  /** The machine ends, whoever's wish it is. */
  end(reason: string): void {
    if (!this.world.machines.delete(this.pid)) return
    this.#running.open()
    this.#agent.end()
    this.#disk.close()
    for (const port of Object.values(this.#ports)) port.destroy()
    this.#end(reason)
  }

  /** Carries bytes from one stream to another, but none while the machine is paused. */
  async #carry(from: Duplex, to: Duplex): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        await this.#running.passed()
        if (!to.write(chunk)) await roomIn(to)
      }
      to.end()
    } catch {
      to.destroy()
    }
  }
}
