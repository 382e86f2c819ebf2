import { readdir, readlink } from 'node:fs/promises'
import { sep } from 'node:path'
import { startTimeOf, type ProcessIdentity } from './identity.js'

/** The processes whose working directory lies below one of the folders: how those of a crashed server are found. */
export async function processesWorkingIn(folders: string[]): Promise<ProcessIdentity[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Fails for processes that are gone, or another user's.
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      if (!folders.some((folder) => cwd.startsWith(folder + sep))) return undefined
      const startTime = await startTimeOf(pid)
      return startTime ? { pid, startTime } : undefined
    }),
  )
  return found.filter((identity) => identity !== undefined)
}
