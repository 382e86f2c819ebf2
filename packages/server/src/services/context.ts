import type { Logger } from 'pino'
import type { Fleet } from '../fleet/fleet.js'
import type { Store } from '../store/store.js'

/** What every service stands on. */
export interface Context {
  store: Store
  fleet: Fleet
  log: Logger
}

/** On whose behalf something is done. */
export interface Caller {
  teamId: string
  keyId: string
}
