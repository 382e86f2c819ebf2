/** The first key of an empty data directory. */
import { readFile, writeFile } from 'node:fs/promises'
import { ensureFirstKey, type Store } from '@wrenn/server'
import { newKey } from '@wrenn/wire'

export interface FirstKey {
  store: Store
  /** Where a key that we make is kept. */
  file: string
  /** What the operator wants it to be. */
  wanted: string | undefined
}

/**
 * Sees to it that there is a key.
 *
 * @returns the key that was made now, to be shown once; undefined when there was one, or when the operator named it
 */
export async function makeFirstKey({ store, file, wanted }: FirstKey): Promise<string | undefined> {
  if (wanted !== undefined) {
    await ensureFirstKey({ store, wanted })
    return undefined
  }
  // The file comes first: a crash in between leaves a file whose key the next start takes.
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  const key = kept || newKey()
  if (!kept && (await store.keys.list(store.teams.defaultId)).length === 0)
    await writeFile(file, `${key}\n`, { mode: 0o600 })
  return ensureFirstKey({ store, wanted: key })
}
