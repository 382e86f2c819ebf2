import type { Figure } from '../types.js'
import { forks } from './forks.js'
import { exec, files, streams } from './inside.js'
import { memory } from './memory.js'
import { sizes } from './sizes.js'
import { live, snapshot } from './snapshot.js'
import { restore, start } from './start.js'
import { steps, together } from './steps.js'

/** All figures, in the order in which they are measured. */
export const figures: readonly Figure[] = [
  snapshot,
  live,
  sizes,
  start,
  restore,
  forks,
  memory,
  steps,
  together,
  exec,
  files,
  streams,
]
