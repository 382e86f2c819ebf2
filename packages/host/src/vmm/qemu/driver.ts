import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import type { Logger } from 'pino'
import { startTimeOf } from '../../process/identity.js'
import { launch } from '../../process/launch.js'
import { within } from '../../wait.js'
import type { RunTask } from '../../worker/pool.js'
import type { BootSpec, FlattenDisk, FoldMemory, RestoreSpec, Vm, VmmDriver, VmmProbe, VmRecord } from '../types.js'
import { flattenDisk } from './flatten.js'
import { accelerators, bootArguments, restoreArguments, sockets, type Accelerator } from './machine.js'
import { Qmp } from './qmp.js'
import { QemuVm } from './vm.js'

export const QEMU = 'qemu-system-x86_64'

/** How long a process may take until it greets. */
const GREETING_MS = 20_000
/** How long QEMU may take to read a device state. */
const LOAD_MS = 30_000

export interface QemuOptions {
  log: Logger
  runTask: RunTask
  /** What this QEMU is and which accelerator it is to use; asked once, when first needed. */
  probe: () => Promise<VmmProbe>
}

export class QemuDriver implements VmmDriver {
  readonly kind = 'qemu'
  readonly #log: Logger
  readonly #runTask: RunTask
  readonly #probe: () => Promise<VmmProbe>
  #probed: Promise<VmmProbe> | undefined

  constructor({ log, runTask, probe }: QemuOptions) {
    this.#log = log
    this.#runTask = runTask
    this.#probe = probe
  }

  probe(): Promise<VmmProbe> {
    return (this.#probed ??= this.#probe())
  }

  async boot(spec: BootSpec, signal: AbortSignal): Promise<Vm> {
    return this.bootWith(spec, await this.probe(), signal)
  }

  /** Boots under given conditions; the probe itself tries accelerators this way. */
  async bootWith(spec: BootSpec, probe: Pick<VmmProbe, 'needs'>, signal: AbortSignal): Promise<Vm> {
    const { vm } = await this.#spawn(spec, { probe, args: (accelerator) => bootArguments(spec, accelerator), signal })
    return vm
  }

  async restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm> {
    const probe = await this.probe()
    const { vm, qmp } = await this.#spawn(spec, {
      probe,
      args: (accelerator) => restoreArguments(spec, accelerator),
      signal,
    })
    try {
      if (spec.difference) {
        await this.#runTask('applyMemory', { pid: vm.record.pid, base: spec.memory, difference: spec.difference })
      }
      await loadDevices(qmp, spec, signal)
      return vm
    } catch (error) {
      await vm.stop()
      throw error
    }
  }

  foldMemory(fold: FoldMemory): Promise<void> {
    return this.#runTask('foldMemory', fold)
  }

  flattenDisk(flatten: FlattenDisk): Promise<void> {
    return flattenDisk(this.#log, flatten)
  }

  async adopt(record: VmRecord): Promise<Vm | undefined> {
    if ((await startTimeOf(record.pid)) !== record.startTime) return undefined
    const socket = connect(join(record.runDir, sockets.qmp))
    const qmp = await Qmp.connect(socket, AbortSignal.timeout(GREETING_MS))
    return new QemuVm({ record, qmp, runTask: this.#runTask })
  }

  async #spawn(spec: BootSpec | RestoreSpec, { probe, args, signal }: Spawn): Promise<{ vm: QemuVm; qmp: Qmp }> {
    const accelerator = accelerators[probe.needs.accelerator as Accelerator['name']]
    const { child, pid, channel } = await launch({
      program: QEMU,
      args: args(accelerator),
      cwd: spec.runDir,
      logFile: spec.logFile,
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
      const record: VmRecord = { kind: 'qemu', pid, startTime, runDir, memory, needs: probe.needs }
      const qmp = await Qmp.connect(channel, AbortSignal.any([signal, AbortSignal.timeout(GREETING_MS)]))
      return { vm: new QemuVm({ record, qmp, runTask: this.#runTask, childExit }), qmp }
    } catch (error) {
      child.kill('SIGKILL')
      await childExit
      throw error
    }
  }
}

interface Spawn {
  probe: Pick<VmmProbe, 'needs'>
  args: (accelerator: Accelerator) => string[]
  signal: AbortSignal
}

/** Loads the device state, and waits for QEMU's word that it is complete. */
async function loadDevices(qmp: Qmp, { devices, runDir }: RestoreSpec, signal: AbortSignal): Promise<void> {
  let stop = () => {}
  const complete = new Promise<void>((resolve, reject) => {
    stop = qmp.on('MIGRATION', ({ status }) => {
      if (status === 'completed') resolve()
      if (status === 'failed') reject(new Error('QEMU could not load the device state'))
    })
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    void qmp.closed.then(() => reject(new Error('QEMU ended while it loaded the device state')))
  })
  complete.catch(() => {})
  try {
    await qmp.run('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }] })
    await qmp.run('migrate-incoming', { uri: `file:${relative(runDir, devices)}` })
    await within(LOAD_MS, complete, () => new Error(`QEMU did not load the device state in ${LOAD_MS} ms`))
  } finally {
    stop()
  }
}
