/** What a run of the tests has left behind, on disk and on the machine. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { leftGroups, leftNetworks, networkOwner, resolverPort } from '@wrenn/host/doctor'
import { processesOf } from './processes.js'

export interface Scope {
  /** The directory of temporary files, in which nothing is to be left. */
  temporary: string
  /** All that were data directories, or may have been: those that are gone too. */
  dataDirs: readonly string[]
  /** Where programs of the run lie, besides those that it was told of. */
  programs: readonly string[]
}

/** Everything that is left, a line for each thing; empty when nothing is. */
export async function findLeft(scope: Scope): Promise<string[]> {
  const { temporary, dataDirs, programs } = scope
  const directories = [temporary, ...dataDirs]
  const each = await Promise.all([
    leftFiles(scope),
    processesOf(directories, programs).then((all) => all.map(({ pid, command }) => `process ${pid}: ${command}`)),
    Promise.all(dataDirs.map((dir) => leftNetworks(dir))),
    Promise.all(dataDirs.map(async (dir) => (await leftGroups(dir, [])).map((path) => `control group ${path}`))),
    leftRules(dataDirs),
    mountsBelow(directories).then((all) => all.map((path) => `mount ${path}`)),
    leftLoops(directories),
  ])
  return each.flat(2)
}

async function leftFiles({ temporary, dataDirs }: Scope): Promise<string[]> {
  const inside = (await readdir(temporary).catch(() => [])).map((name) => join(temporary, name))
  const others = dataDirs.filter((dir) => !dir.startsWith(temporary))
  const there = await Promise.all(
    others.map((dir) =>
      readdir(dir).then(
        () => [dir],
        () => [],
      ),
    ),
  )
  return [...inside, ...there.flat()].map((path) => `file or directory ${path}`)
}

/** Where something is mounted below the directories. */
export async function mountsBelow(directories: readonly string[]): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  return mounts.filter((path) => directories.some((dir) => path.startsWith(`${dir}/`)))
}

async function leftLoops(directories: readonly string[]): Promise<string[]> {
  const devices = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'))
  const files = await Promise.all(
    devices.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
  )
  const isTheirs = (file: string) => directories.some((dir) => file.startsWith(`${dir}/`))
  return devices.flatMap((name, at) => (isTheirs(files[at]!) ? [`loop device ${name} of ${files[at]!.trim()}`] : []))
}

/** Resolvers in the machine's rules whose servers are gone. */
async function leftRules(dataDirs: readonly string[]): Promise<string[]> {
  const list = promisify(execFile)('nft', ['list', 'set', 'inet', 'wrenn', 'resolvers'])
  // Without the tool, or as another user, or without the table, there is none.
  const { stdout } = await list.catch(() => ({ stdout: '' }))
  return resolverLines(stdout, dataDirs)
}

/** The resolvers of data directories, in what `nft` says of the set of resolvers. */
export function resolverLines(rules: string, dataDirs: readonly string[]): string[] {
  const ports = new Set([...rules.matchAll(/ \. (\d+)/g)].map(([, port]) => Number(port)))
  return dataDirs
    .filter((dir) => ports.has(resolverPort(networkOwner(dir))))
    .map((dir) => `resolver in the table "inet wrenn", of ${dir}`)
}
