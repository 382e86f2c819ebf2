import { constants, link, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BLOCK } from '../fs/durable.js'
import { failure, ok, warning, type Outcome } from './outcome.js'
import { inScratch } from './scratch.js'

const MiB = 1024 * 1024

export interface Abilities {
  /** Whether one file can have two names. */
  links: boolean
  /** Whether the holes of a file take no room. */
  holes: boolean
  /** Whether a file can be read past the page cache. */
  direct: boolean
}

/** Tries what files can do on a file system. */
export function tryAbilities(place: string): Promise<Abilities> {
  return inScratch(place, async (dir) => {
    const file = join(dir, 'file')
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.truncate(16 * MiB)
      await handle.write(Buffer.from('end'), 0, 3, 16 * MiB - 3)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return {
      links: await works(link(file, join(dir, 'other'))),
      holes: (await stat(file)).blocks * BLOCK < 8 * MiB,
      direct: await works(open(file, constants.O_RDONLY | constants.O_DIRECT).then((opened) => opened.close())),
    }
  })
}

/** Whether files can do what Wrenn uses them for. */
export function checkAbilities({ links, holes, direct }: Abilities): Outcome {
  const fix = 'Put the data directory on a local disk (ext4, xfs): set WRENN_DATA_DIR.'
  if (!links)
    return failure('Files cannot have two names (hard links) there, by which capsules share what they start from.', {
      fix,
    })
  if (!holes)
    return failure("Holes of files take room there: every template would take all of its capsule's memory.", { fix })
  if (!direct) return warning('Files cannot be read past the page cache (O_DIRECT) there.', { fix })
  return ok('hard links, files with holes, O_DIRECT')
}

function works(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  )
}
