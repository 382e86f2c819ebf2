import { Problem, type Guest } from '@wrenn/wire'
import { AgentChannel } from '../agent/channel.js'
import { guestOf } from '../agent/guest.js'
import { removeDirectory } from '../fs/durable.js'
import type { Context } from '../context.js'
import type { Slot } from '../network/slot.js'
import type { Vm } from '../vmm/types.js'
import type { CapsuleRecord } from './record.js'

/** A capsule that runs on this host. */
export interface LiveCapsule {
  id: string
  dir: string
  vm: Vm
  channel: AgentChannel
  guest: Guest
  record: CapsuleRecord
  /** Whether it is being captured, or was left held by that: its agent may not answer. */
  isHeld: boolean
  /** Absent where the host gives none. */
  network: Slot | undefined
}

/** Puts the parts of a capsule together. */
export function liveCapsule(
  { dir, vm, record, network }: Pick<LiveCapsule, 'dir' | 'vm' | 'record' | 'network'>,
  channel = new AgentChannel(vm),
): LiveCapsule {
  return { id: record.capsule_id, dir, vm, channel, guest: guestOf(channel), record, network, isHeld: false }
}

type Gone = (capsuleId: string, reason: string) => void

/** The capsules of this host, and the word when one of them ends by itself. */
export class LiveCapsules {
  readonly #capsules = new Map<string, LiveCapsule>()
  readonly #listeners: Gone[] = []

  constructor(private readonly context: Context) {}

  onGone(listener: Gone): void {
    this.#listeners.push(listener)
  }

  add(capsule: LiveCapsule): void {
    this.#capsules.set(capsule.id, capsule)
    void capsule.vm.exited.then(({ reason, wanted }) => (wanted ? undefined : this.#ended(capsule, reason)))
  }

  find(id: string): LiveCapsule | undefined {
    return this.#capsules.get(id)
  }

  /** @throws {Problem} `host_unavailable` when the capsule is not here */
  get(id: string): LiveCapsule {
    const capsule = this.#capsules.get(id)
    if (!capsule) throw new Problem('host_unavailable', 'The host does not run this capsule.')
    return capsule
  }

  all(): LiveCapsule[] {
    return [...this.#capsules.values()]
  }

  /** Ends a capsule and removes what is its own. */
  async destroy(capsule: LiveCapsule): Promise<void> {
    this.#capsules.delete(capsule.id)
    capsule.channel.close()
    await capsule.vm.stop()
    this.#releaseNetwork(capsule)
    await this.removeFiles(capsule.id)
  }

  /** Removes what is on disk of a capsule that does not run. */
  async removeFiles(id: string): Promise<void> {
    const { paths } = this.context
    await removeDirectory(paths.capsule(id), paths.staging)
  }

  /** Lets go of all without ending them. */
  detach(): void {
    for (const { channel, vm } of this.#capsules.values()) {
      channel.close()
      vm.detach()
    }
    this.#capsules.clear()
  }

  #releaseNetwork({ network }: LiveCapsule): void {
    if (network) this.context.network.release(network)
  }

  async #ended(capsule: LiveCapsule, reason: string): Promise<void> {
    if (this.#capsules.get(capsule.id) !== capsule) return
    this.#capsules.delete(capsule.id)
    capsule.channel.close()
    this.context.log.error({ capsule: capsule.id, reason }, 'a capsule ended by itself')
    for (const listener of this.#listeners) listener(capsule.id, reason)
    this.#releaseNetwork(capsule)
    await this.removeFiles(capsule.id).catch((err: unknown) => {
      this.context.log.error({ err, capsule: capsule.id }, 'its directory could not be removed')
    })
  }
}
