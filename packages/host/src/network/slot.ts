/** One capsule's network: a namespace between its tap and the host, with rules of its own. */
import { networkSchema, openNetwork, type NetworkPolicy } from '@wrenn/wire'
import pLimit from 'p-limit'
import { z } from 'zod'
import { namespacePrefix } from '../machine-names.js'
import type { VmNetwork } from '../vmm/types.js'
import { endsOf, inside, type Ends, type Range } from './addresses.js'
import { arrange, ip, ipAll, links, namespacePath, namespaces, nft } from './commands.js'
import { isOpen, judge, keepsNamed } from './policy.js'
import { NAMED_SECONDS, namedUpdate, policyUpdate, resolverUpdate, slotTable } from './rules/slot.js'

/** How many addresses of names are remembered as open; of those that are not, the kernel is told again. */
const MOST_REMEMBERED = 1024
/** The kernel need not be told again before half of the time is over. */
const REMEMBERED_MS = (NAMED_SECONDS * 1000) / 2

/** What of a capsule's network is kept in its record. */
export const networkRecordSchema = z.object({ number: z.int().min(1), policy: networkSchema })
export type NetworkRecord = z.infer<typeof networkRecordSchema>

export interface SlotPlace {
  /** Eight hex digits that name the server whose it is. */
  owner: string
  pool: Range
  number: number
}

/** What every network of a host has alike. */
export interface Surroundings {
  /** Private ranges that the operator opens. */
  opened: readonly Range[]
  /** Where names are asked. */
  resolver: { address: string; port: number }
}

const settings = {
  'ipv6/conf/all/disable_ipv6': 1,
  'ipv6/conf/default/disable_ipv6': 1,
  'ipv4/ip_forward': 1,
  // Whoever is refused is told each time: it is only ever the guest itself.
  'ipv4/icmp_ratelimit': 0,
}

export class Slot {
  readonly number: number
  readonly name: string
  readonly ends: Ends
  /** What the vm has to know of it. */
  readonly vm: VmNetwork
  #policy: NetworkPolicy
  /** Rules change one after the other. */
  readonly #changes = pLimit(1)
  /** Addresses that names have opened, and when the kernel was told. */
  readonly #named = new Map<string, number>()

  private constructor({ owner, pool, number }: SlotPlace, policy: NetworkPolicy) {
    this.number = number
    this.name = slotName(owner, number)
    this.ends = endsOf(pool, number)
    this.vm = { namespace: namespacePath(this.name), tap: inside.tap }
    this.#policy = policy
  }

  get policy(): NetworkPolicy {
    return this.#policy
  }

  /** What finds it again after our own restart. */
  get record(): NetworkRecord {
    return { number: this.number, policy: this.#policy }
  }

  /** Makes a network that is open to the internet. @throws when the number is somebody else's, with nothing left of it */
  static async make(place: SlotPlace, { opened, resolver }: Surroundings): Promise<Slot> {
    const slot = new Slot(place, openNetwork)
    const { name, ends } = slot
    try {
      await ip([
        `netns add ${name}`,
        `link add ${ends.link} type veth peer name ${inside.uplink} netns ${name}`,
        `link set ${ends.link} addrgenmode none`,
        `addr add ${ends.host}/${ends.prefix} dev ${ends.link}`,
        `link set ${ends.link} up`,
      ])
      await arrange(name, {
        settings,
        rules:
          slotTable({ address: ends.namespace, opened }) + resolverUpdate(resolver) + policyUpdate(openNetwork, true),
        commands: [
          `addr add ${ends.namespace}/${ends.prefix} dev ${inside.uplink}`,
          `link set ${inside.uplink} up`,
          `route add default via ${ends.host}`,
          // Without an owner: nobody but the vm is in the namespace.
          `tuntap add ${inside.tap} mode tap`,
          `link set ${inside.tap} address ${inside.gatewayMac}`,
          `addr add ${inside.gateway}/${inside.prefix} dev ${inside.tap}`,
          `link set ${inside.tap} up`,
          `neigh add ${inside.guest} lladdr ${inside.guestMac} dev ${inside.tap} nud permanent`,
        ],
      })
      return slot
    } catch (error) {
      // The link goes with its other end. By its own name it may be another's.
      await ipAll([`netns del ${name}`]).catch(() => {})
      throw error
    }
  }

  /** Takes up a network that was made before our own restart. @throws when it is not there */
  static async adopt(place: SlotPlace, policy: NetworkPolicy, { resolver }: Surroundings): Promise<Slot> {
    const slot = new Slot(place, policy)
    await nft(resolverUpdate(resolver) + policyUpdate(policy, true), slot.name)
    return slot
  }

  /**
   * Puts a policy in the place of the one before, in one step, for connections that are there as well. A fresh network is
   * open: to leave it so costs nothing.
   */
  setPolicy(policy: NetworkPolicy): Promise<void> {
    return this.#changes(async () => {
      if (isOpen(policy) && isOpen(this.#policy)) return
      const keep = keepsNamed(this.#policy, policy)
      await nft(policyUpdate(policy, keep), this.name)
      this.#policy = policy
      if (!keep) this.#named.clear()
    })
  }

  /** Opens the addresses that a name stands for, if the policy still allows the name. */
  openFor(name: string, addresses: readonly string[]): Promise<void> {
    return this.#changes(async () => {
      if (judge(this.#policy, name) !== 'open') return
      const now = performance.now()
      const isDue = (address: string) => now - (this.#named.get(address) ?? -Infinity) > REMEMBERED_MS
      const due = [...new Set(addresses)].filter(isDue)
      if (due.length === 0) return
      await nft(namedUpdate(due), this.name)
      if (this.#named.size + due.length > MOST_REMEMBERED) this.#named.clear()
      for (const address of due) this.#named.set(address, now)
    })
  }
}

/**
 * Removes networks of an owner that could not be made, by their numbers. The link goes with its other end: by its own name
 * it may be another server's, whose number it was.
 */
export async function removeHalfMade(owner: string, numbers: readonly number[]): Promise<void> {
  const present = await namespaces()
  const mine = numbers.map((number) => slotName(owner, number)).filter((name) => present.includes(name))
  if (mine.length > 0) await ipAll(mine.map((name) => `netns del ${name}`))
}

/** Removes networks of an owner by their numbers; those that are gone are fine. */
export async function removeSlots(owner: string, numbers: readonly number[]): Promise<void> {
  const [present, ends] = await Promise.all([namespaces(), links()])
  const names = numbers.map((number) => [slotName(owner, number), `wrenn${number}`] as const)
  const mine = names.filter(([name]) => present.includes(name))
  if (mine.length === 0) return
  await ipAll([
    ...mine.filter(([, link]) => ends.includes(link)).map(([, link]) => `link del ${link}`),
    ...mine.map(([name]) => `netns del ${name}`),
  ])
}

/** The numbers of an owner's networks, as far as they are there. */
export async function slotsOf(owner: string): Promise<number[]> {
  const prefix = namespacePrefix(owner)
  const names = (await namespaces()).filter((name) => name.startsWith(prefix))
  return names.map((name) => Number(name.slice(prefix.length))).filter(Number.isInteger)
}

function slotName(owner: string, number: number): string {
  return namespacePrefix(owner) + number
}
