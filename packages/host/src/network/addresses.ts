/**
 * Which addresses are used for what. Inside, every capsule has the same ones, so that one that was captured finds itself
 * at home wherever it is restored. Outside, each network has a number, and all else follows from it.
 */

/** An IPv4 range, `10.213.0.0/16`. */
export type Range = string

/** The link between a capsule and its namespace; the agent gives the same to the card (agent/src/net.rs). */
export const inside = {
  guest: '192.168.213.2',
  gateway: '192.168.213.1',
  prefix: 30,
  /** Fixed too: what a restored guest remembers of its neighbours stays true. */
  guestMac: '02:77:72:6e:6e:02',
  gatewayMac: '02:77:72:6e:6e:01',
  tap: 'tap0',
  /** The namespace's end of its connection to the host. */
  uplink: 'up0',
} as const

/** Both ends of a network's connection with the host. */
export interface Ends {
  /** The name of the host's end. It is the claim of the number: no two can have it. */
  link: string
  host: string
  namespace: string
  prefix: number
}

/** What the host's ends' names begin with. */
export const LINK = 'wrenn'
/** The interface that has the address at which names are asked. */
export const NAMES_LINK = `${LINK}-dns`
/** Each network has four addresses, of which two are used. */
const PER_NETWORK = 4

/** The first address of a range as a number, and how many it has. */
export function parseRange(range: Range): { first: number; count: number } {
  const [address, bits = '32'] = range.split('/') as [string, string?]
  const count = 2 ** (32 - Number(bits))
  const number = toNumber(address)
  return { first: number - (number % count), count }
}

/** How many networks a pool has room for. The first place is the resolver's. */
export function capacityOf(pool: Range): number {
  return Math.floor(parseRange(pool).count / PER_NETWORK) - 1
}

/** The ends of network `number`, from 1 on. */
export function endsOf(pool: Range, number: number): Ends {
  const base = parseRange(pool).first + number * PER_NETWORK
  return { link: `${LINK}${number}`, host: toText(base + 1), namespace: toText(base + 2), prefix: 30 }
}

/** Where names are asked. */
export function resolverOf(pool: Range): string {
  return toText(parseRange(pool).first + 1)
}

/** The number in the name of a host's end; undefined for every other name. */
export function numberOf(link: string): number | undefined {
  const [, digits] = /^wrenn(\d+)$/.exec(link) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** The lowest numbers that are free, as many as asked for or as there are. */
export function freeNumbers(pool: Range, taken: ReadonlySet<number>, count: number): number[] {
  const free: number[] = []
  const last = capacityOf(pool)
  for (let number = 1; number <= last && free.length < count; number++) if (!taken.has(number)) free.push(number)
  return free
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
