/** The one place that knows the drivers. */
import type { Logger } from 'pino'
import type { RunTask } from '../worker/pool.js'
import { Groups } from '../jail/groups.js'
import { groupFolder } from '../machine-names.js'
import { FakeDriver } from './fake/driver.js'
import type { FakeWorld } from './fake/world.js'
import { QemuDriver } from './qemu/driver.js'
import { OLDEST, probeQemu } from './qemu/probe.js'
import { QEMU } from './qemu/places.js'
import type { BootSpec, Vm, VmmDriver } from './types.js'

/** For who looks at a machine before anything runs on it. */
export { OLDEST as oldestQemu, QEMU as qemuProgram }

/** Which driver, and how it is set. */
export type DriverChoice = { kind: 'qemu'; accelerator: 'auto' | 'kvm' | 'tcg' } | { kind: 'fake'; world: FakeWorld }

export interface DriverTools {
  log: Logger
  runTask: RunTask
  /** Tells this host from others on the same machine. */
  dataDir: string
  /** Where a driver may keep what it found out about the machine. */
  verdictFile: string
  /** Boots the smallest image by the given function until its agent answers. */
  tryBoot: (boot: (spec: BootSpec, signal: AbortSignal) => Promise<Vm>) => Promise<void>
}

export function openDriver(
  choice: DriverChoice,
  { log, runTask, dataDir, verdictFile, tryBoot }: DriverTools,
): VmmDriver {
  if (choice.kind === 'fake') return new FakeDriver(choice.world)
  const driver: QemuDriver = new QemuDriver({
    log,
    runTask,
    openGroups: () => Groups.open(groupFolder(dataDir)),
    probe: () =>
      probeQemu({
        verdictFile,
        wanted: choice.accelerator,
        tryBoot: (needs) => tryBoot((spec, signal) => driver.bootWith(spec, { needs }, signal)),
      }),
  })
  return driver
}
