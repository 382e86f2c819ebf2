/** The rules of the host itself for what comes from capsules. Several servers on one machine share them. */
import { LINK, type Range } from '../addresses.js'

const TABLE = 'inet wrenn'
const LINKS = `"${LINK}*"`

export interface HostRules {
  pool: Range
  /** Where names are asked. */
  resolver: { address: string; port: number }
}

/**
 * The table, whether it was there before or not. Nothing that a capsule sends reaches a service of the host, at whatever
 * address, but the resolver; nothing goes from one capsule to another; and nobody begins a connection to a capsule.
 */
export function hostTable({ pool, resolver: { address, port } }: HostRules): string {
  return `table ${TABLE} {
  set resolvers { type ipv4_addr . inet_service; }
  set pools { type ipv4_addr; flags interval; auto-merge; }
  chain arriving { type filter hook prerouting priority raw; }
  chain input { type filter hook input priority filter - 5; }
  chain forward { type filter hook forward priority filter - 5; }
  chain refuse { }
  chain leave { type nat hook postrouting priority srcnat; }
}
add element ${TABLE} resolvers { ${address} . ${port} }
add element ${TABLE} pools { ${pool} }
flush table ${TABLE}
table ${TABLE} {
  chain arriving {
    iifname ${LINKS} meta nfproto != ipv4 drop
    iifname ${LINKS} ip saddr != @pools drop
    iifname ${LINKS} fib saddr . iif oif missing drop
  }
  chain input {
    iifname ${LINKS} ip daddr . udp dport @resolvers accept
    iifname ${LINKS} ip daddr . tcp dport @resolvers accept
    iifname ${LINKS} goto refuse
  }
  chain forward {
    iifname ${LINKS} oifname ${LINKS} goto refuse
    iifname ${LINKS} accept
    oifname ${LINKS} ct state { established, related } accept
    oifname ${LINKS} drop
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain leave { ip saddr @pools oifname != ${LINKS} masquerade; }
}
`
}

/** Takes the resolver out of what capsules may reach. */
export function withoutResolver({ address, port }: HostRules['resolver']): string {
  return `delete element ${TABLE} resolvers { ${address} . ${port} }\n`
}

/** Takes all of it away. */
export const noHostTable = `table ${TABLE} { }\ndelete table ${TABLE}\n`
