/**
 * The rules in a capsule's network namespace, as nftables reads them. They are all that lies between a guest and the rest
 * of the world, so they judge every packet, not only the first of a connection: what is forbidden ends when it is forbidden.
 *
 * `to_guest` judges answers by where the guest had sent the question, so that closing works both ways.
 */
import type { NetworkPolicy } from '@wrenn/wire'
import { inside, type Range } from '../addresses.js'
import { split } from '../policy.js'
import { closedRanges } from './ranges.js'

const TABLE = 'inet capsule'
/** How many connections a capsule may have at once. */
const MOST_CONNECTIONS = 4096
/** How many addresses names may stand for at once. */
const MOST_NAMED = 8192
/** How long an address that a name stood for may be reached after it was last asked for or used, in seconds. */
export const NAMED_SECONDS = 600

export interface SlotRules {
  /** The namespace's address on the way to the host. */
  address: string
  /** Private ranges that the operator opens. */
  opened: readonly Range[]
}

/** The whole table, closed: nothing passes until a policy is put into it. */
export function slotTable({ address, opened }: SlotRules): string {
  const { guest, tap, uplink } = inside
  return `table ${TABLE} {
  set closed { type ipv4_addr; flags interval; auto-merge; elements = { ${closedRanges.join(', ')} }; }
  ${rangeSet('opened', opened)}
  ${rangeSet('denied')}
  ${rangeSet('allowed')}
  set named { type ipv4_addr; flags dynamic,timeout; timeout ${NAMED_SECONDS}s; size ${MOST_NAMED}; }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "${tap}" ip saddr ${guest} goto refuse
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "${tap}" accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${tap}" oifname "${uplink}" goto from_guest
    iifname "${uplink}" oifname "${tap}" goto to_guest
  }
  chain from_guest {
    meta nfproto != ipv4 drop
    ip saddr != ${guest} drop
    ct state invalid drop
    meta l4proto != { tcp, udp, icmp } goto refuse
    ct state new ct count over ${MOST_CONNECTIONS} goto refuse
    ct status dnat accept
    ip daddr @closed ip daddr != @opened goto refuse
    ip daddr @denied goto refuse
    jump resolvers
    ip daddr @allowed accept
    ip daddr @named update @named { ip daddr timeout ${NAMED_SECONDS}s } accept
    goto otherwise
  }
  chain to_guest {
    meta nfproto != ipv4 drop
    ct state != { established, related } drop
    ct original ip daddr ${inside.gateway} accept
    ct original ip daddr @closed ct original ip daddr != @opened drop
    ct original ip daddr @denied drop
    ct original ip daddr @allowed accept
    ct original ip daddr @named accept
    goto otherwise
  }
  chain resolvers { }
  chain otherwise { }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain names { type nat hook prerouting priority dstnat; }
  chain leave {
    type nat hook postrouting priority srcnat;
    oifname "${uplink}" snat ip to ${address}
  }
}
`
}

/** In one step: this policy in the place of the one before. */
export function policyUpdate(policy: NetworkPolicy, keepNamed: boolean): string {
  const allow = split(policy.allow)
  const deny = split(policy.deny)
  return [
    ...['denied', 'allowed', ...(keepNamed ? [] : ['named'])].map((set) => `flush set ${TABLE} ${set}`),
    ...elements('denied', deny.ranges),
    ...elements('allowed', allow.ranges),
    `flush chain ${TABLE} resolvers`,
    // A name that is denied would be learned from any other resolver.
    ...(deny.names.length > 0
      ? [`add rule ${TABLE} resolvers meta l4proto { tcp, udp } th dport { 53, 853 } goto refuse`]
      : []),
    `flush chain ${TABLE} otherwise`,
    `add rule ${TABLE} otherwise ${policy.internet ? 'accept' : 'goto refuse'}`,
    '',
  ].join('\n')
}

/** Where names are asked from now on. */
export function resolverUpdate({ address, port }: { address: string; port: number }): string {
  const asked = `iifname "${inside.tap}" ip daddr ${inside.gateway}`
  return [
    `flush chain ${TABLE} names`,
    ...['udp', 'tcp'].map((l4) => `add rule ${TABLE} names ${asked} ${l4} dport 53 dnat ip to ${address}:${port}`),
    '',
  ].join('\n')
}

/** Lets the addresses be reached for a while: a name that is allowed stands for them. */
export function namedUpdate(addresses: readonly string[]): string {
  const list = addresses.map((address) => `${address} timeout ${NAMED_SECONDS}s`)
  // Those that are there already would keep their old time.
  return [
    ...elements('named', addresses),
    ...addresses.map((address) => `delete element ${TABLE} named { ${address} }`),
    ...elements('named', list),
    '',
  ].join('\n')
}

function rangeSet(name: string, ranges: readonly Range[] = []): string {
  const content = ranges.length > 0 ? ` elements = { ${ranges.join(', ')} };` : ''
  return `set ${name} { type ipv4_addr; flags interval; auto-merge;${content} }`
}

function elements(set: string, list: readonly string[]): string[] {
  return list.length > 0 ? [`add element ${TABLE} ${set} { ${list.join(', ')} }`] : []
}
