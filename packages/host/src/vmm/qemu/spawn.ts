/** The start of a QEMU process. */
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { startTimeOf } from '../../process/identity.js'
import { launch } from '../../process/launch.js'
import type { RunTask } from '../../worker/pool.js'
import type { BootSpec, Needs, VmRecord } from '../types.js'
import { accelerators, type Accelerator } from './machine.js'
import { Qmp } from './qmp.js'
import { QemuVm } from './vm.js'

export const QEMU = 'qemu-system-x86_64'

/** How long a process may take until it greets. */
export const GREETING_MS = 20_000

export interface SpawnQemu {
  spec: Pick<BootSpec, 'runDir' | 'logFile' | 'uid' | 'memory' | 'network'>
  needs: Needs
  args: (accelerator: Accelerator) => string[]
  runTask: RunTask
  signal: AbortSignal
}

export interface Spawned {
  vm: QemuVm
  qmp: Qmp
}

/** Resolves when QEMU has greeted: its machine is made. */
export async function spawnQemu({ spec, needs, args, runTask, signal }: SpawnQemu): Promise<Spawned> {
  const accelerator = accelerators[needs.accelerator as Accelerator['name']]
  const { child, pid, channel } = await launch({
    program: QEMU,
    args: args(accelerator),
    cwd: spec.runDir,
    logFile: spec.logFile,
    namespace: spec.network?.namespace,
    uid: spec.uid,
    gid: accelerator.name === 'kvm' ? (await stat('/dev/kvm')).gid : undefined,
  })
  const childExit = once(child, 'exit').then(([code, killer]: (number | string | null)[]) =>
    killer ? `QEMU was ended by ${killer}` : `QEMU ended with exit code ${code}`,
  )
  try {
    const startTime = await startTimeOf(pid)
    if (!startTime) throw new Error(await childExit)
    const { runDir, memory } = spec
    const record: VmRecord = { kind: 'qemu', pid, startTime, runDir, memory, needs }
    const qmp = await Qmp.connect(channel, AbortSignal.any([signal, AbortSignal.timeout(GREETING_MS)]))
    return { vm: new QemuVm({ record, qmp, runTask, childExit }), qmp }
  } catch (error) {
    child.kill('SIGKILL')
    await childExit
    throw error
  }
}
