/** The processes that belong to somebody's directories. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { startTimeOf, type ProcessIdentity } from '@wrenn/host/doctor'

export interface Found extends ProcessIdentity {
  /** Its command line. */
  command: string
}

interface Facts extends Found {
  cwd: string
  environment: string
  parent: number
}

/**
 * Those that work below one of the directories, or were told of it; and those that this process has started, or that have
 * lost their parent, with a program below one of `programs`. This process, its ancestors and what drives tests are none.
 */
export async function processesOf(directories: readonly string[], programs: readonly string[] = []): Promise<Found[]> {
  const all = await everyProcess()
  const own = lineOf(process.pid, all)
  const mentions = (text: string, paths: readonly string[]) => paths.some((path) => text.includes(path))
  return [...all.values()].filter((one) => {
    if (own.has(one.pid) || one.command === '' || one.command.includes('/node_modules/')) return false
    if (mentions(`${one.cwd}/\0${one.command}\0${one.environment}`, directories)) return true
    const isOurs = one.parent === 1 || lineOf(one.pid, all).has(process.pid)
    return isOurs && mentions(one.command, programs)
  })
}

async function everyProcess(): Promise<Map<number, Facts>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const facts = await Promise.all(pids.map(factsOf))
  return new Map(facts.flatMap((one) => (one ? [[one.pid, one] as const] : [])))
}

/** Undefined for what has ended. */
async function factsOf(pid: number): Promise<Facts | undefined> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')
  const [startTime, cwd, command, environment, status] = await Promise.all([
    startTimeOf(pid),
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
    read('cmdline'),
    read('environ'),
    read('status'),
  ])
  if (startTime === undefined) return undefined
  const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1])
  return { pid, startTime, cwd, command: command.replaceAll('\0', ' ').trim(), environment, parent }
}

/** A process and its ancestors. */
function lineOf(pid: number, all: ReadonlyMap<number, Facts>): Set<number> {
  const line = new Set<number>()
  for (let at: number | undefined = pid; at !== undefined && !line.has(at); at = all.get(at)?.parent) line.add(at)
  return line
}
