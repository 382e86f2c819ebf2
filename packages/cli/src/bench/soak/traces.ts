/** What a Wrenn leaves on a machine: looked at before and after, the difference is what it lost. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { groupFolder, namespacePrefix, networkOwner } from '@wrenn/host'

export const traceKinds = ['processes', 'namespaces', 'links', 'groups', 'files'] as const
export type TraceKind = (typeof traceKinds)[number]
export type Traces = Record<TraceKind, Set<string>>

/** What is there now of a data directory, and of what a host makes outside of it. */
export async function tracesOf(dataDir: string): Promise<Traces> {
  const [processes, namespaces, links, groups, files] = await Promise.all([
    processesOf(dataDir),
    namespacesOf(dataDir),
    // Links have numbers in the place of owners: those of other servers count too, while they come and go.
    list('/sys/class/net'),
    groupsBelow('/sys/fs/cgroup', groupFolder(dataDir)),
    filesBelow(dataDir),
  ])
  return { processes, namespaces, links, groups, files }
}

/** What is in `after` and was not in `before`. */
export function newIn(before: Traces, after: Traces): Record<TraceKind, string[]> {
  const entries = traceKinds.map((kind) => [kind, [...after[kind]].filter((one) => !before[kind].has(one))] as const)
  return Object.fromEntries(entries) as Record<TraceKind, string[]>
}

/** Those that work below the directory, or were told of it. */
async function processesOf(dataDir: string): Promise<Set<string>> {
  const found = new Set<string>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (pid === String(process.pid)) continue
    const [cwd, command] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
    ])
    if (cwd === dataDir || cwd.startsWith(dataDir + sep) || command.includes(dataDir))
      found.add(`${pid} ${command.replaceAll('\0', ' ').slice(0, 60)}`)
  }
  return found
}

/** Those of this data directory alone: other servers may make some at the same time. */
async function namespacesOf(dataDir: string): Promise<Set<string>> {
  const [all, prefix] = [await list('/run/netns'), namespacePrefix(networkOwner(dataDir))]
  return new Set([...all].filter((name) => name.startsWith(prefix)))
}

async function list(folder: string): Promise<Set<string>> {
  return new Set(await readdir(folder).catch(() => []))
}

/** Control groups of ours, at any depth. */
async function groupsBelow(root: string, ours: string): Promise<Set<string>> {
  const found = new Set<string>()
  const look = async (folder: string, isOurs: boolean): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries.filter((one) => one.isDirectory())) {
      const path = join(folder, entry.name)
      const below = isOurs || entry.name === ours
      if (below) found.add(path)
      await look(path, below)
    }
  }
  await look(root, false)
  return found
}

/** All files but those of the database, which grows as it likes. */
async function filesBelow(dataDir: string): Promise<Set<string>> {
  const all = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const files = all.filter((one) => !one.isDirectory()).map(({ parentPath, name }) => join(parentPath, name))
  return new Set(files.filter((path) => !path.startsWith(join(dataDir, 'wrenn.db'))))
}
