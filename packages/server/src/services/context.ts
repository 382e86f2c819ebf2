import type { Timings } from '@wrenn/wire'
import type { Logger } from 'pino'
import type { Fleet } from '../fleet/fleet.js'
import type { Store } from '../store/store.js'
import type { Clock } from './clock.js'
import type { Owed } from './owed.js'

/** What every service stands on. */
export interface Context {
  store: Store
  fleet: Fleet
  log: Logger
  clock: Clock
  /** What has to be done later where it cannot be done now. */
  owed: Owed
  /** Whether the hosts give capsules a network. */
  hasNetwork: boolean
}

/** On whose behalf something is done. */
export interface Caller {
  teamId: string
  keyId: string
  keyName?: string
}

/** What came of something, and how long its parts took. */
export interface Timed<T> {
  body: T
  timings: Timings
}
