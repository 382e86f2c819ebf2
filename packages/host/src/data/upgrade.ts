/** Brings a data directory to the format of today. */
import { Problem } from '@wrenn/wire'
import { pathsOf } from '../paths.js'
import { DATA_FORMAT, readFormat, writeFormat } from './format.js'
import { steps as ourSteps, type Step } from './steps.js'

export interface Upgrade {
  dataDir: string
  /** What `checkFormat` said before anything was opened. */
  from: number
  /** The product's version, which is written down with the format. */
  version: string
  /** Other than today's in tests. */
  newest?: number
  steps?: Readonly<Record<number, Step>>
}

/**
 * Does the steps that are due, one after the other; each counts once it is written down. The caller holds the
 * directory's lock.
 *
 * @throws Problem `host_unavailable` when a step fails; the directory stays at the format before it
 */
export async function upgradeData({
  dataDir,
  from,
  version,
  newest = DATA_FORMAT,
  steps = ourSteps,
}: Upgrade): Promise<void> {
  const written = (await readFormat(dataDir))?.format
  for (let format = written ?? from; format < newest; format++) {
    try {
      await steps[format]!(pathsOf(dataDir))
      await writeFormat(dataDir, { format: format + 1, version })
    } catch (cause) {
      throw new Problem('host_unavailable', `The data directory could not be brought to format ${format + 1}.`, {
        cause,
        hint: 'Nothing is lost: the next start goes on where this one ended.',
      })
    }
  }
  if (written === undefined && from === newest) await writeFormat(dataDir, { format: newest, version })
}
