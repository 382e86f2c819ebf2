/** The few programs of the fake guest. */
import { listeners } from './listeners.js'
import { plain } from './plain.js'
import { shell } from './shell.js'
import { terminalPrograms } from './terminal.js'
import type { Program } from './types.js'

export const programs: Record<string, Program> = {
  ...plain,
  ...terminalPrograms,
  ...listeners,
  ...{ sh: (run) => shell(run, programs), bash: (run) => shell(run, programs) },
}
