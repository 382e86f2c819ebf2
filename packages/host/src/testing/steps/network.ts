/** Networks that are but numbers with a policy, for tests of what becomes of them. */
import { openNetwork, type NetworkPolicy } from '@wrenn/wire'
import type { Network } from '../../network/network.js'
import type { NetworkRecord, Slot } from '../../network/slot.js'

/** @param isSync that it cannot wait */
export type Around = (step: string, work: () => unknown, isSync?: boolean) => unknown

/** They outlive the hosts that use them, as those of the kernel do. */
export class FakeNetworks {
  readonly there = new Map<number, NetworkPolicy>()
  #last = 0

  /** The networks as a host sees them. */
  open(around: Around): Network {
    const held = new Set<number>()
    const slotOf = (number: number): Slot => {
      held.add(number)
      let policy = this.there.get(number)!
      const setPolicy = async (next: NetworkPolicy) => {
        await around('network.setPolicy', () => this.there.set(number, (policy = next)))
      }
      const slot = { number, setPolicy, vm: { namespace: '', tap: '' } }
      return Object.defineProperty(slot, 'record', { get: () => ({ number, policy }) }) as unknown as Slot
    }
    return {
      facts: { isThere: true, reason: 'of the test' },
      take: async () => {
        const number = ++this.#last
        await around('network.take', () => this.there.set(number, openNetwork))
        return slotOf(number)
      },
      adopt: async ({ number }: NetworkRecord) => (this.there.has(number) ? slotOf(number) : undefined),
      release: ({ number }) => {
        held.delete(number)
        around('network.release', () => this.there.delete(number))
      },
      begin: async () => {
        for (const number of this.there.keys()) if (!held.has(number)) this.there.delete(number)
      },
      close: async () => {},
    }
  }

  picture(): [number, NetworkPolicy][] {
    return [...this.there]
  }

  putBack(picture: [number, NetworkPolicy][]): void {
    this.there.clear()
    for (const [number, policy] of picture) this.there.set(number, policy)
    this.#last = Math.max(this.#last, ...this.there.keys())
  }
}
