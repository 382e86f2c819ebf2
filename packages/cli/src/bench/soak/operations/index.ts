import type { Operation } from '../run.js'
import { captureAndEnd, captureLive, deleteTemplate } from './capture.js'
import { exec, leave, write } from './inside.js'
import { destroy, pause, resume } from './life.js'
import { create, fork, hangUp, startFromTemplate } from './start.js'

/** Everything that is done at random. */
export const operations: readonly Operation[] = [
  ...[create, startFromTemplate, fork, hangUp],
  ...[exec, write, leave],
  ...[captureLive, captureAndEnd, deleteTemplate],
  ...[pause, resume, destroy],
]
