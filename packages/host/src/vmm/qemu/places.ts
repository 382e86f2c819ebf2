/** The files that QEMU runs with. */
import { realpath } from 'node:fs/promises'
import { Problem } from '@wrenn/wire'
import { findProgram } from '../../process/programs.js'
import { run } from '../../process/run.js'

export const QEMU = 'qemu-system-x86_64'
export const STORAGE_DAEMON = 'qemu-storage-daemon'

export interface Places {
  program: string
  /** Where its firmware is. */
  firmware: string[]
}

let found: Promise<Places> | undefined

/** QEMU's own files; asked once. */
export function qemuPlaces(): Promise<Places> {
  return (found ??= findPlaces())
}

async function findPlaces(): Promise<Places> {
  const dirs: string[] = []
  await run(QEMU, ['-L', 'help'], { onLine: (line) => dirs.push(line.trim()) })
  const there = await Promise.all(
    dirs.map((dir) =>
      realpath(dir)
        .then((real) => [dir, real])
        .catch(() => []),
    ),
  )
  return { program: await programFile(QEMU), firmware: [...new Set(there.flat())] }
}

/** The file of one of QEMU's programs. */
export async function programFile(name: string): Promise<string> {
  const file = await findProgram(name)
  if (file) return file
  throw new Problem('host_unavailable', `${name} is not installed.`, {
    hint: 'npm run setup installs it, or says how.',
  })
}
