import { connect } from 'node:net'
import { join, relative } from 'node:path'
import type { Logger } from 'pino'
import { startTimeOf } from '../../process/identity.js'
import type { RunTask } from '../../worker/pool.js'
import type { BootSpec, FlattenDisk, FoldMemory, RestoreSpec, Vm, VmmDriver, VmmProbe, VmRecord } from '../types.js'
import { flattenDisk } from './flatten.js'
import { bootArguments, CARD, restoreArguments, sockets, type Accelerator } from './machine.js'
import { migrate } from './migrate.js'
import { Qmp } from './qmp.js'
import { GREETING_MS, spawnQemu, type Spawned } from './spawn.js'
import { QemuVm } from './vm.js'

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
    const { vm } = await this.#spawn(spec, probe, { args: (accelerator) => bootArguments(spec, accelerator), signal })
    return vm
  }

  async restore(spec: RestoreSpec, signal: AbortSignal): Promise<Vm> {
    const probe = await this.probe()
    const { vm, qmp } = await this.#spawn(spec, probe, {
      args: (accelerator) => restoreArguments(spec, accelerator),
      signal,
    })
    try {
      if (spec.difference) {
        await this.#runTask('applyMemory', { pid: vm.record.pid, base: spec.memory, difference: spec.difference })
      }
      await migrate(qmp, { how: 'migrate-incoming', file: relative(spec.runDir, spec.devices), signal })
      // Whatever the captured guest was connected to: programs are told at once when there is nothing.
      await qmp.run('set_link', { name: CARD, up: spec.network !== undefined })
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

  async #spawn(
    spec: BootSpec | RestoreSpec,
    { needs }: Pick<VmmProbe, 'needs'>,
    { args, signal }: { args: (accelerator: Accelerator) => string[]; signal: AbortSignal },
  ): Promise<Spawned> {
    return spawnQemu({ spec, needs, args, runTask: this.#runTask, signal })
  }
}
