/** The secret of a data directory: what is sealed in its store opens with that alone. */
import { randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '@wrenn/wire'

const BYTES = 32

/**
 * Reads the secret; the first time, it is made. There is one server on a data directory when this is called.
 * @throws Problem `internal_error` when the file holds anything else
 */
export async function secretOf(dataDir: string): Promise<Uint8Array> {
  const file = join(dataDir, 'secret.key')
  const kept = await readFile(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (!kept) return make(file)
  if (kept.length === BYTES) return kept
  throw new Problem('internal_error', `${file} is damaged: it has ${kept.length} bytes, and should have ${BYTES}.`, {
    hint: 'Put it back from a copy. Without it, the environment variables of the capsules that there are are lost: remove the file to go on without.',
  })
}

/** It is there as a whole or not at all, also after a power cut. */
async function make(file: string): Promise<Uint8Array> {
  const secret = randomBytes(BYTES)
  const made = `${file}.new`
  const handle = await open(made, 'w', 0o600)
  try {
    await handle.writeFile(secret)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(made, file)
  return secret
}
