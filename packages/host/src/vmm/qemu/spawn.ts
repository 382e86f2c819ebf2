/** The start of a QEMU process. */
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { randomHex } from '@wrenn/wire'
import type { Logger } from 'pino'
import type { Groups } from '../../jail/groups.js'
import { listeningSockets } from '../../jail/sockets.js'
import { startInJail } from '../../jail/start.js'
import { groupPrefix } from '../../machine-names.js'
import { kill } from '../../process/identity.js'
import type { RunTask } from '../../worker/pool.js'
import type { BootSpec, Needs, VmRecord } from '../types.js'
import { qemuLimits } from './limits.js'
import { accelerators, socketNames, type Accelerator } from './machine.js'
import { qemuPlaces } from './places.js'
import { Qmp } from './qmp.js'
import { QemuVm } from './vm.js'

/** How long a process may take until it greets. */
export const GREETING_MS = 20_000
const KVM = '/dev/kvm'
const TUN = '/dev/net/tun'

/** What of a machine its process is started with. */
type Spec = Pick<
  BootSpec,
  ('dir' | 'runDir' | 'logFile' | 'uid' | 'network') | ('vcpus' | 'memoryMb' | 'memory' | 'diskSizeMb')
>

export interface SpawnQemu {
  spec: Spec
  /** Its files that others share; never written, not even where its user could. */
  shared?: readonly string[]
  /** Whether it writes its memory to a file. */
  hasMemoryFile?: boolean
  /** Where it is counted and bounded. */
  groups?: Groups | undefined
  needs: Needs
  args: (accelerator: Accelerator) => string[]
  runTask: RunTask
  log?: Logger | undefined
  signal: AbortSignal
}

export interface Spawned {
  vm: QemuVm
  qmp: Qmp
}

/** Resolves when QEMU has greeted: its machine is made. */
export async function spawnQemu({ spec, needs, runTask, log, signal, ...how }: SpawnQemu): Promise<Spawned> {
  const accelerator = accelerators[needs.accelerator as Accelerator['name']]
  const hasKvm = accelerator.name === 'kvm'
  const { program, firmware } = await qemuPlaces()
  const { runDir, memory, network } = spec
  const { identity, channel, grouped, exited, said } = await startInJail({
    ...{ program, args: how.args(accelerator), cwd: runDir, logFile: spec.logFile },
    ...{ own: [spec.dir], readOnly: [...firmware, ...(how.shared ?? [])] },
    devices: [...(hasKvm ? [KVM] : []), ...(network ? [TUN] : [])],
    uid: spec.uid,
    gid: hasKvm ? (await stat(KVM)).gid : undefined,
    network: network?.namespace,
    group: how.groups && { groups: how.groups, name: newGroup(spec.dir) },
    limits: qemuLimits(spec, how.hasMemoryFile ?? false),
    sockets: await listeningSockets(socketNames.map((name) => join(runDir, name))),
  })
  const childExit = exited.then((how) => `QEMU ${how}`)
  try {
    const record: VmRecord = { kind: 'qemu', ...identity, runDir, memory, needs }
    const qmp = await Qmp.connect(channel, AbortSignal.any([signal, AbortSignal.timeout(GREETING_MS)]))
    await grouped
    return { vm: new QemuVm({ record, qmp, runTask, childExit, log }), qmp }
  } catch (cause) {
    await kill(identity)
    throw new Error(`QEMU did not start (${await childExit}): ${said()}`, { cause })
  }
}

/** How the names of control groups for what works in a directory begin. */
export const groupsOf = (dir: string): string => groupPrefix(basename(dir))

const newGroup = (dir: string): string => groupsOf(dir) + randomHex(4)
