/** The processes of a data directory: the server that has it, and what works below it. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { processesWorkingIn } from '../process/find.js'
import { startTimeOf, type ProcessIdentity } from '../process/identity.js'

export interface OwnProcess extends ProcessIdentity {
  /** `server`: it has the database open. */
  what: 'server' | 'work'
  args: string[]
  /** Memory that it has in use, shared memory included. */
  residentKb: number | undefined
  state: string | undefined
}

/** All that can be seen by this user. */
export async function processesFor(dataDir: string): Promise<OwnProcess[]> {
  const [servers, work] = await Promise.all([holding(join(dataDir, 'wrenn.db')), processesWorkingIn([dataDir])])
  return Promise.all([
    ...servers.map((one) => factsOf(one, 'server')),
    ...work.filter(({ pid }) => servers.every((one) => one.pid !== pid)).map((one) => factsOf(one, 'work')),
  ])
}

/** Those other than this that have a file open. */
async function holding(file: string): Promise<ProcessIdentity[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (pid === process.pid) return []
      const names = await readdir(`/proc/${pid}/fd`).catch(() => [])
      const files = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
      const startTime = files.includes(file) ? await startTimeOf(pid) : undefined
      return startTime === undefined ? [] : [{ pid, startTime }]
    }),
  )
  return found.flat()
}

async function factsOf(identity: ProcessIdentity, what: OwnProcess['what']): Promise<OwnProcess> {
  const read = (name: string) => readFile(`/proc/${identity.pid}/${name}`, 'latin1').catch(() => '')
  const [command, status] = await Promise.all([read('cmdline'), read('status')])
  const line = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]
  const resident = line('VmRSS')
  return {
    ...identity,
    what,
    args: command.split('\0').slice(0, -1),
    residentKb: resident === undefined ? undefined : parseInt(resident, 10),
    state: line('State'),
  }
}
