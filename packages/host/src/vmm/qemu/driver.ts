import { connect } from 'node:net'
import { dirname, join, relative } from 'node:path'
import type { Logger } from 'pino'
import { controllers, type Groups } from '../../jail/groups.js'
import { jailFacts } from '../../jail/kind.js'
import { startTimeOf } from '../../process/identity.js'
import { shortPath } from '../../process/short-path.js'
import type { RunTask } from '../../worker/pool.js'
import {
  lostBy,
  type BootSpec,
  type FlattenDisk,
  type FoldMemory,
  type Lost,
  type RestoreSpec,
  type Vm,
  type VmmDriver,
  type VmmProbe,
  type VmRecord,
} from '../types.js'
import { flattenDisk } from './flatten.js'
import { bootArguments, CARD, restoreArguments, sockets, type Accelerator } from './machine.js'
import { migrate } from './migrate.js'
import { Qmp } from './qmp.js'
import { GREETING_MS, groupsOf, spawnQemu, type Spawned } from './spawn.js'
import { QemuVm } from './vm.js'

export interface QemuOptions {
  log: Logger
  runTask: RunTask
  /** What this QEMU is and which accelerator it is to use; asked once, when first needed. */
  probe: () => Promise<VmmProbe>
  /** Where processes are counted and bounded; opened once, when first needed. */
  openGroups: () => Promise<Groups>
}

export class QemuDriver implements VmmDriver {
  readonly kind = 'qemu'
  readonly #log: Logger
  readonly #runTask: RunTask
  readonly #probe: () => Promise<VmmProbe>
  readonly #openGroups: () => Promise<Groups>
  #probed: Promise<VmmProbe> | undefined
  #opened: Promise<Groups> | undefined

  constructor({ log, runTask, probe, openGroups }: QemuOptions) {
    this.#log = log
    this.#runTask = runTask
    this.#probe = probe
    this.#openGroups = openGroups
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

  async flattenDisk(flatten: FlattenDisk): Promise<void> {
    return flattenDisk({ log: this.#log, groups: await this.#groups() }, flatten)
  }

  async adopt(record: VmRecord): Promise<Vm | Lost> {
    const startTime = await startTimeOf(record.pid)
    if (startTime === undefined) return { lost: lostBy.end }
    if (startTime !== record.startTime) return { lost: lostBy.another }
    const groups = await this.#groups()
    const own = await groups.adopt(groupsOf(dirname(record.runDir)))
    const short = await shortPath(join(record.runDir, sockets.qmp))
    const qmp = await Qmp.connect(connect(short.path), AbortSignal.timeout(GREETING_MS)).finally(short.close)
    const vm = new QemuVm({ record, qmp, runTask: this.#runTask, log: this.#log })
    void vm.exited.then(() => Promise.all(own.map((name) => groups.remove(name))))
    return vm
  }

  async reclaim(): Promise<void> {
    await (await this.#groups()).sweep()
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close()
  }

  #groups(): Promise<Groups> {
    return (this.#opened ??= this.#openGroups().then(async (groups) => {
      await tellMissing(this.#log, groups)
      return groups
    }))
  }

  async #spawn(
    spec: BootSpec | RestoreSpec,
    { needs }: Pick<VmmProbe, 'needs'>,
    { args, signal }: { args: (accelerator: Accelerator) => string[]; signal: AbortSignal },
  ): Promise<Spawned> {
    const [shared, hasMemoryFile] = [sharedFiles(spec), isBoot(spec)]
    const groups = await this.#groups()
    const [runTask, log] = [this.#runTask, this.#log]
    return spawnQemu({ spec, shared, hasMemoryFile, groups, needs, args, runTask, log, signal })
  }
}

/** Says once what the jail cannot do here. */
async function tellMissing(log: Logger, groups: Groups): Promise<void> {
  const { missing } = await jailFacts()
  if (missing) log.warn({ missing }, 'capsules are kept less apart from the host than they could be')
  const uncounted = controllers.filter((name) => !groups.has(name))
  if (uncounted.length > 0)
    log.warn({ uncounted }, 'no control groups can be made for these: capsules are bounded less closely')
}

function isBoot(spec: BootSpec | RestoreSpec): spec is BootSpec {
  return 'kernel' in spec
}

/**
 * The files that others share with it. A process with a user of its own may not write them anyway, so that only one with
 * ours has to be kept from it.
 */
function sharedFiles(spec: BootSpec | RestoreSpec): string[] {
  if (spec.uid !== undefined) return []
  const layers = spec.disk.slice(0, -1)
  if (isBoot(spec)) return [...layers, spec.kernel, spec.initramfs]
  return [...layers, spec.memory, spec.devices, ...(spec.difference === undefined ? [] : [spec.difference])]
}
