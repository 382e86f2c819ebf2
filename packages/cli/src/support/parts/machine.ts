import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, loadavg, totalmem, uptime } from 'node:os'
import { diskFacts, placeOf, reasonOf } from '@wrenn/host/doctor'
import { json, type Part } from '../part.js'

/** What of a processor says what virtual machines can do on it. */
const flags = [
  'vmx',
  'svm',
  'ept',
  'npt',
  'hypervisor',
  'lm',
  'avx2',
  'avx512f',
  'xsave',
  'constant_tsc',
  'nonstop_tsc',
]
const memory = [
  'MemTotal',
  'MemFree',
  'MemAvailable',
  'SwapTotal',
  'SwapFree',
  'Shmem',
  'HugePages_Total',
  'Committed_AS',
]
const kernelSettings = [
  'vm/overcommit_memory',
  'vm/max_map_count',
  'kernel/pid_max',
  'kernel/unprivileged_userns_clone',
  'user/max_user_namespaces',
  'user/max_net_namespaces',
  'net/ipv4/ip_forward',
  'fs/file-max',
  'fs/file-nr',
]

const read = (file: string) => readFile(file, 'utf8').catch((error: unknown) => `could not be read: ${reasonOf(error)}`)

export const machine: Part = {
  name: 'machine',
  about: 'processor, memory, disk, control groups and limits',
  async collect({ dataDir }) {
    const [cpuinfo, meminfo, limits, groups, mountinfo] = await Promise.all(
      ['/proc/cpuinfo', '/proc/meminfo', '/proc/self/limits', '/proc/self/cgroup', '/proc/self/mountinfo'].map(read),
    )
    const has = /^flags\s*:\s*(.*)$/m.exec(cpuinfo!)?.[1]?.split(' ') ?? []
    const facts = {
      cpu: { model: cpus()[0]?.model, count: availableParallelism(), flags: flags.filter((one) => has.includes(one)) },
      memory: Object.fromEntries(
        memory.map((name) => [name, new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(meminfo!)?.[1]]),
      ),
      memory_bytes: { total: totalmem(), free: freemem() },
      load: loadavg(),
      up_seconds: Math.round(uptime()),
      disk: await placeOf(dataDir)
        .then(diskFacts)
        .catch((error: unknown) => reasonOf(error)),
      uid: process.getuid?.(),
      control_groups: {
        versions: [...new Set([...mountinfo!.matchAll(/ - (cgroup2?) /g)].map(([, type]) => type))],
        own: groups!.trim().split('\n'),
      },
      kernel: Object.fromEntries(
        await Promise.all(
          kernelSettings.map(async (name) => [name, (await read(`/proc/sys/${name}`)).trim()] as const),
        ),
      ),
    }
    return { entries: [json('machine.json', facts), { name: 'limits.txt', content: limits! }] }
  },
}
