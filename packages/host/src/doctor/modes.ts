import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { failure, ok, skipped, type Outcome } from './outcome.js'

/** What only the server's user is to read, and the mode that it is made with. */
const secretModes = { '.': 0o700, 'secret.key': 0o600, 'api-key': 0o600 } as const

interface Wrong {
  name: string
  path: string
  /** What is wrong, in words. */
  what: string
  /** The mode that it should have, where that is what is wrong. */
  mode?: number
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0')

/** Which of them others may read, or are not of the directory's owner. */
async function wrongOnes(dataDir: string): Promise<Wrong[] | undefined> {
  const owner = await stat(dataDir).then(
    ({ uid }) => uid,
    () => undefined,
  )
  if (owner === undefined) return undefined
  const found = await Promise.all(
    Object.entries(secretModes).map(async ([name, wanted]): Promise<Wrong[]> => {
      const path = join(dataDir, name)
      const facts = await stat(path).catch(() => undefined)
      if (!facts) return []
      const mode = facts.mode & 0o7777
      if (facts.uid !== owner) return [{ name, path, what: `belongs to user ${facts.uid}, and should to ${owner}` }]
      return (mode & ~wanted) === 0
        ? []
        : [{ name, path, mode: wanted, what: `has mode ${octal(mode)}, and should have ${octal(wanted)}` }]
    }),
  )
  return found.flat()
}

/** Whether nobody but the server's user can read the secrets of a data directory. */
export async function checkModes(dataDir: string): Promise<Outcome> {
  const wrong = await wrongOnes(dataDir)
  if (!wrong) return skipped('there is no data directory yet')
  if (wrong.length === 0)
    return ok(`${Object.keys(secretModes).length - 1} secrets and the directory, for their owner alone`)
  return failure('Others could read or replace secrets of this server.', {
    items: wrong.map(({ name, what }) => `${name === '.' ? dataDir : name} ${what}`),
    fix: 'wrenn doctor --fix corrects modes; chown what belongs to somebody else. If others use this machine, renew the keys.',
  })
}

/** Corrects modes. @returns what was done */
export async function fixModes(dataDir: string): Promise<string[]> {
  const wrong = (await wrongOnes(dataDir)) ?? []
  const mended = wrong.flatMap(({ path, mode }) => (mode === undefined ? [] : [{ path, mode }]))
  await Promise.all(mended.map(({ path, mode }) => chmod(path, mode)))
  return mended.map(({ path, mode }) => `${path}: mode set to ${octal(mode)}`)
}
