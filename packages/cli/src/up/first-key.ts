/** The first key of a data directory in which none is usable. */
import { readFile, writeFile } from 'node:fs/promises'
import { ensureFirstKey, hasUsableKey, isKnownKey, type Store } from '@wrenn/server'
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
  if (await hasUsableKey(store)) return undefined
  // The file comes first: a crash in between leaves a file whose key the next start takes.
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  const isGood = kept !== '' && !(await isKnownKey(store, kept))
  const key = isGood ? kept : newKey()
  if (!isGood) await writeFile(file, `${key}\n`, { mode: 0o600 })
  return ensureFirstKey({ store, wanted: key })
}
