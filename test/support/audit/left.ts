/** What a run of the tests has left behind, on disk and on the machine. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { groupFolders, leftGroups, leftNetworks, networkOwner, resolverPort } from '@wrenn/host/doctor'
import { processesOf } from './processes.js'

export interface Scope {
  /** The directory of temporary files, in which nothing is to be left. */
  temporary: string
  /** All that were data directories, or may have been: those that are gone too. */
  dataDirs: readonly string[]
  /** Where programs of the run lie, besides those that it was told of. */
  programs: readonly string[]
  /** The ports of resolvers that were in the machine's rules before: servers of others that died left them. */
  resolversBefore: ReadonlySet<number>
}

/** Everything that is left, a line for each thing; empty when nothing is. */
export async function findLeft(scope: Scope): Promise<string[]> {
  const { temporary, dataDirs, programs } = scope
  const directories = [temporary, ...dataDirs]
  const each = await Promise.all([
    leftFiles(scope),
    processesOf(directories, programs).then((all) => all.map(({ pid, command }) => `process ${pid}: ${command}`)),
    Promise.all(dataDirs.map((dir) => leftNetworks(dir))),
    Promise.all(dataDirs.map(groupsOf)),
    leftRules(scope),
    mountsBelow(directories).then((all) => all.map((path) => `mount ${path}`)),
    leftLoops(directories),
  ])
  return each.flat(2)
}

async function groupsOf(dataDir: string): Promise<string[]> {
  const paths = [...(await groupFolders(dataDir)), ...(await leftGroups(dataDir, []))]
  return paths.map((path) => `control group ${path}`)
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
  const all = await loopsBelow(directories)
  return all.map(({ name, file }) => `loop device ${name} of ${file}`)
}

/** Loop devices of files below the directories. */
export async function loopsBelow(directories: readonly string[]): Promise<{ name: string; file: string }[]> {
  const names = (await readdir('/sys/block').catch(() => [])).filter((name) => name.startsWith('loop'))
  const files = await Promise.all(
    names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
  )
  const all = names.map((name, at) => ({ name, file: files[at]!.trim() }))
  return all.filter(({ file }) => directories.some((dir) => file.startsWith(`${dir}/`)))
}

/** Resolvers in the machine's rules whose servers are gone. */
async function leftRules({ dataDirs, resolversBefore }: Scope): Promise<string[]> {
  const sockets = (await readFile('/proc/net/udp', 'latin1')).matchAll(/^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) /gm)
  const served = [...sockets].map(([, port]) => parseInt(port!, 16))
  return resolverLines(await resolverRules(), dataDirs, new Set([...served, ...resolversBefore]))
}

/** What `nft` says of the set of resolvers: nothing without the tool, as another user, or without the table. */
async function resolverRules(): Promise<string> {
  const list = promisify(execFile)('nft', ['list', 'set', 'inet', 'wrenn', 'resolvers'])
  return (await list.catch(() => ({ stdout: '' }))).stdout
}

/** The ports of the resolvers that are in the machine's rules now. */
export async function resolverPorts(): Promise<Set<number>> {
  return portsIn(await resolverRules())
}

const portsIn = (rules: string) => new Set([...rules.matchAll(/ \. (\d+)/g)].map(([, port]) => Number(port)))

/**
 * The resolvers of data directories, in what `nft` says of the set of resolvers.
 *
 * @param others the ports of other servers, since ports may agree
 */
export function resolverLines(rules: string, dataDirs: readonly string[], others: ReadonlySet<number>): string[] {
  const ports = new Set([...portsIn(rules)].filter((port) => !others.has(port)))
  return dataDirs
    .filter((dir) => ports.has(resolverPort(networkOwner(dir))))
    .map((dir) => `resolver in the table "inet wrenn", of ${dir}`)
}
