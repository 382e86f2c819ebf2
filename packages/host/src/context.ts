import type { Logger } from 'pino'
import type { Network } from './network/network.js'
import type { Paths } from './paths.js'
import type { VmmDriver } from './vmm/types.js'
import type { RunTask } from './worker/pool.js'

/** What the rooms of a host share. */
export interface Context {
  paths: Paths
  driver: VmmDriver
  network: Network
  runTask: RunTask
  log: Logger
}
