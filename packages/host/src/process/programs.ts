/** Where programs are. */
import { access, constants, realpath } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The file of a program that is found by its name, as a shell finds it; links are followed. Undefined where there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const dir of (process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter)) {
    const path = join(dir, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return realpath(path)
  }
  return undefined
}
