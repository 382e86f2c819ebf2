/** Which form a data directory has, by the file `format.json` in it: read before anything else is. */
import { readFile } from 'node:fs/promises'
import { Problem } from '@wrenn/wire'
import { z } from 'zod'
import { entries, isMissing, replaceFile } from '../fs/durable.js'
import { pathsOf } from '../paths.js'

/**
 * Raised, together with a step in `steps.ts`, whenever a server of before could not work with what one of now writes:
 * with the format of manifests, of capsules' records or of images, or with the place of a file.
 */
export const DATA_FORMAT = 1

/** Directories without the file were made before there was one. */
const FIRST_FORMAT = 1

const formatSchema = z.object({
  format: z.int().min(1),
  /** The version of Wrenn that brought it to this format. */
  version: z.string(),
})
export type DataFormat = z.infer<typeof formatSchema>

/**
 * Reads which format a directory has; undefined where the file is not there.
 * @throws Problem `conflict` when the file cannot be understood
 */
export async function readFormat(dataDir: string): Promise<DataFormat | undefined> {
  const file = pathsOf(dataDir).format
  try {
    return formatSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new Problem('conflict', `${file} cannot be understood, so nothing in its directory is touched.`, {
      cause,
      hint: `Put it back from a copy, or write it anew: {"format":${DATA_FORMAT},"version":"…"} for data of this version.`,
    })
  }
}

/** Writes which format a directory has, durably. */
export async function writeFormat(dataDir: string, format: DataFormat): Promise<void> {
  await replaceFile(pathsOf(dataDir).format, JSON.stringify(format))
}

/**
 * The format that a directory has; the newest for one in which nothing is. Nothing is changed.
 *
 * @param newest the newest format that is known; other than today's in tests
 * @throws Problem `conflict` when a newer version of Wrenn made it, or nobody can say
 */
export async function checkFormat(dataDir: string, newest = DATA_FORMAT): Promise<number> {
  const found = await readFormat(dataDir)
  if (!found) return (await entries(dataDir)).length === 0 ? newest : FIRST_FORMAT
  if (found.format <= newest) return found.format
  throw new Problem(
    'conflict',
    `The data directory was made by a newer version of Wrenn (${found.version}, format ${found.format}); this one knows formats up to ${newest}.`,
    { hint: `Start Wrenn ${found.version} or newer, or choose another data directory with WRENN_DATA_DIR.` },
  )
}
