/** What a bundle has, in this order. */
import type { Part } from '../part.js'
import { capsules } from './capsules.js'
import { database } from './database.js'
import { doctor } from './doctor.js'
import { logs } from './logs.js'
import { machine } from './machine.js'
import { network } from './network.js'
import { processes } from './processes.js'
import { records } from './records.js'
import { server } from './server.js'
import { settings } from './settings.js'
import { tree } from './tree.js'
import { versions } from './versions.js'

export const parts: readonly Part[] = [
  versions,
  settings,
  doctor,
  machine,
  database,
  capsules,
  tree,
  records,
  processes,
  network,
  server,
  logs,
]
