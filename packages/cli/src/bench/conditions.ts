/** Under what conditions the figures came about. */
import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import type { HostFacts } from '@wrenn/wire'

export interface Conditions {
  cpu: string
  cores: number
  memory_bytes: number
  /** Of the last minute, when it began. */
  load: number
  kernel: string
  vmm: string
  accelerator: string
  file_system: string
  rounds: number
}

export interface Circumstances {
  facts: HostFacts
  dataDir: string
  rounds: number
}

export async function conditionsOf({ facts, dataDir, rounds }: Circumstances): Promise<Conditions> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    load: loadavg()[0]!,
    kernel: release(),
    vmm: `${facts.vmm} ${facts.vmmVersion}`,
    accelerator: facts.accelerator,
    file_system: fileSystemOf(await readFile('/proc/self/mountinfo', 'utf8'), dataDir),
    rounds,
  }
}

/** The type of the file system that holds a path, after the text of /proc/self/mountinfo. */
export function fileSystemOf(mountinfo: string, path: string): string {
  let found = { point: '', type: 'unknown' }
  for (const line of mountinfo.split('\n')) {
    const [mount = '', source = ''] = line.split(' - ')
    const point = mount
      .split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    if (!point) continue
    const holds = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
    // Of two on the same place the later one covers the earlier.
    if (holds && point.length >= found.point.length) found = { point, type: source.split(' ')[0]! }
  }
  return found.type
}
