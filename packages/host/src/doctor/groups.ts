import { access, mkdir, readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { groupFolder, groupPrefix } from '../machine-names.js'
import { ok, warning, type Outcome } from './outcome.js'

/** The mount points of control group hierarchies, of either version, in a process's table of mounts. */
export function hierarchiesIn(mountinfo: string): string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [type] = after.split(' ')
    const path = before.split(' ')[4]
    return path !== undefined && (type === 'cgroup' || type === 'cgroup2') ? [path] : []
  })
}

async function hierarchies(): Promise<string[]> {
  return hierarchiesIn(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''))
}

/** Whether control groups can be made here: by making one. */
export async function checkGroups(found?: string[]): Promise<Outcome> {
  const paths = found ?? (await hierarchies())
  const results = await Promise.all(paths.map(async (path) => ({ path, isWritable: await canMake(path) })))
  const writable = results.filter(({ isWritable }) => isWritable).map(({ path }) => path)
  if (writable.length > 0) return ok(`can be made, in ${writable.length} of ${paths.length} hierarchies`)
  return warning('No control group can be made: the kernel does not bound what each capsule takes of the machine.', {
    fix: 'Run as root, or let the service manager delegate a control group (systemd: Delegate=yes). In a container, mount /sys/fs/cgroup writable.',
  })
}

async function canMake(path: string): Promise<boolean> {
  const group = join(path, `wrenn-doctor-${process.pid}`)
  try {
    await mkdir(group)
    await rmdir(group)
    return true
  } catch {
    return false
  }
}

/** The folders that this data directory's groups are made in, as far as they are there. A server that ends removes them. */
export async function groupFolders(dataDir: string): Promise<string[]> {
  const folders = (await hierarchies()).map((path) => join(path, groupFolder(dataDir)))
  const areThere = await Promise.all(
    folders.map((folder) =>
      access(folder).then(
        () => true,
        () => false,
      ),
    ),
  )
  return folders.filter((_, at) => areThere[at])
}

/** The paths of the groups of this data directory's capsules that `capsuleIds` does not name. */
export async function leftGroups(dataDir: string, capsuleIds: readonly string[], found?: string[]): Promise<string[]> {
  const folders = (found ?? (await hierarchies())).map((path) => join(path, groupFolder(dataDir)))
  const each = await Promise.all(
    folders.map(async (folder) => {
      const all = await readdir(folder, { withFileTypes: true }).catch(() => [])
      return all.filter((one) => one.isDirectory()).map(({ name }) => ({ name, path: join(folder, name) }))
    }),
  )
  const isTheirs = (name: string) => capsuleIds.some((id) => name.startsWith(groupPrefix(id)))
  return each.flatMap((all) => all.filter(({ name }) => !isTheirs(name)).map(({ path }) => path))
}

/** Whether control groups are left that no capsule is in. */
export async function checkLeftGroups(
  dataDir: string,
  capsuleIds: readonly string[],
  found?: string[],
): Promise<Outcome> {
  const left = await leftGroups(dataDir, capsuleIds, found)
  if (left.length === 0) return ok('none')
  return warning(`${left.length} control groups belong to no capsule.`, {
    items: left,
    fix: 'wrenn doctor --fix removes those that are empty; so does the next start of the server.',
  })
}

/** Removes those in which no process is; the kernel refuses the others. @returns the paths that are gone */
export async function removeLeftGroups(
  dataDir: string,
  capsuleIds: readonly string[],
  found?: string[],
): Promise<string[]> {
  const left = await leftGroups(dataDir, capsuleIds, found)
  const removed = await Promise.all(
    left.map((path) =>
      rmdir(path).then(
        () => [path],
        () => [],
      ),
    ),
  )
  return removed.flat()
}
