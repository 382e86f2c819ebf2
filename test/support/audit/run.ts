/**
 * Whose things are: each run of the tests has a name, out of its process's id and start time, that is in the names of the
 * directories in which all of its files lie. So what it left is found, by itself and, once it is dead, by the next.
 */
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isAlive, startTimeOf } from '@wrenn/host/doctor'

/** The variable that tells the tests' processes which run they are of. It is no setting of a server. */
export const RUN_VARIABLE = 'TEST_RUN_OF_WRENN'

export const root = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')
const cache = join(root, '.cache')

/** Where directories of runs are, and what their names begin with. */
const places = [
  { folder: tmpdir(), prefix: 'wrenn-run-' },
  { folder: cache, prefix: 'run-' },
]

/** The name of the run that this process is. */
export async function thisRun(): Promise<string> {
  return `${process.pid}-${await startTimeOf(process.pid)}`
}

/** What is the TMPDIR of a run. */
export const temporaryOf = (run: string) => join(places[0]!.folder, places[0]!.prefix + run)

/** What begins the path of a data directory that shares the cache's files, of the run that this process belongs to. */
export const dataDirPrefix = () => join(cache, `run-${process.env[RUN_VARIABLE] ?? 'none'}-`)

/** The folders that directories of runs are made in. */
export const runFolders = () => places.map(({ folder }) => folder)

/** The directories that are there of a run: that of temporary files, and data directories. */
export async function directoriesOf(run: string): Promise<string[]> {
  return (await allDirectories()).filter((one) => one.run === run).map(({ path }) => path)
}

/** The directories of runs of which no process is alive. Those in the cache that name none are of earlier code. */
export async function deadDirectories(): Promise<string[]> {
  const all = await allDirectories()
  const isDead = await Promise.all(all.map(async ({ run }) => !(await isRunning(run))))
  return all.filter((_, at) => isDead[at]).map(({ path }) => path)
}

async function allDirectories(): Promise<{ path: string; run: string | undefined }[]> {
  const each = await Promise.all(
    places.map(async ({ folder, prefix }) => {
      const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(prefix))
      return names.map((name) => ({ path: join(folder, name), run: runIn(name.slice(prefix.length)) }))
    }),
  )
  return each.flat()
}

function runIn(name: string): string | undefined {
  return /^\d+-\d+(?=-|$)/.exec(name)?.[0]
}

async function isRunning(run: string | undefined): Promise<boolean> {
  const [pid, startTime] = (run ?? '').split('-')
  return pid !== undefined && startTime !== undefined && isAlive({ pid: Number(pid), startTime })
}
