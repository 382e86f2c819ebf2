import type { Logger } from 'pino'
import type { Paths } from './paths.js'
import type { VmmDriver } from './vmm/types.js'
import type { RunTask } from './worker/pool.js'

/** What the rooms of a host share. */
export interface Context {
  paths: Paths
  driver: VmmDriver
  runTask: RunTask
  log: Logger
}
