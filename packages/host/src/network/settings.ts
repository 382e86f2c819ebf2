/** What an operator says of the network. */
import type { Range } from './addresses.js'

export interface NetworkSettings {
  /** `auto`: where it is possible; `on`: nothing runs without; `off`: none. */
  mode: 'auto' | 'on' | 'off'
  /** Where the addresses come from that connect the capsules with the host; of no use to anybody else. */
  pool: Range
  /** How many networks are kept ready for capsules to come. */
  ready: number
  /** Private ranges that capsules may reach all the same, where their policy lets them. */
  allow: Range[]
  /** Whom the names that capsules ask for are asked, `address` or `address:port`. Default: the host's own resolvers. */
  resolvers?: string[] | undefined
}

export const networkDefaults: NetworkSettings = { mode: 'auto', pool: '10.213.0.0/16', ready: 8, allow: [] }
