import { stat } from 'node:fs/promises'
import { isProblem } from '@wrenn/wire'
import { checkFormat, DATA_FORMAT } from '../data/format.js'
import { isWritable, placeOf } from './scratch.js'
import { failure, ok, reasonOf, warning, type Outcome } from './outcome.js'

/** Whether the data directory is there, or can be made, and is this user's to use. */
export async function checkDataDir(dataDir: string): Promise<Outcome> {
  const facts = await stat(dataDir).catch(() => undefined)
  const place = await placeOf(dataDir)
  const fix = 'Run as the user whose it is, or choose another with WRENN_DATA_DIR.'
  if (facts && !facts.isDirectory()) return failure(`${dataDir} is no directory.`, { fix })
  if (!(await isWritable(facts ? dataDir : place)))
    return failure(`${facts ? dataDir : place} is not this user's to write.`, { fix })
  return ok(facts ? dataDir : `${dataDir} is not there yet; the first start makes it`)
}

/** Whether this version can work with a data directory's format. */
export async function checkDataFormat(dataDir: string): Promise<Outcome> {
  try {
    const format = await checkFormat(dataDir)
    if (format === DATA_FORMAT) return ok(`format ${format}`)
    return warning(`Format ${format}; this version writes ${DATA_FORMAT}.`, {
      fix: 'The next start of the server brings it there. Keep a copy if you may want to go back.',
    })
  } catch (error) {
    const hint = isProblem(error) ? error.hint : undefined
    return failure(reasonOf(error), { fix: hint ?? 'See to it that the file format.json can be read.' })
  }
}
