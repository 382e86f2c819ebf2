/** Puts a host together. */
import { mkdir } from 'node:fs/promises'
import { totalmem, availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import type { Context } from './context.js'
import { openNetworks } from './network/network.js'
import { networkDefaults, type NetworkSettings } from './network/settings.js'
import type { Reserves } from './admission/admission.js'
import type { Machine } from './admission/machine.js'
import { Host } from './host.js'
import { bootImage } from './images/ready.js'
import type { Image } from './images/store.js'
import { pathsOf } from './paths.js'
import type { UpkeepRules } from './snapshots/upkeep.js'
import { Undo } from './undo.js'
import { openDriver, type DriverChoice } from './vmm/registry.js'
import { startWorkers } from './worker/pool.js'

const MiB = 1024 * 1024
/** The size of the guest that tries an accelerator. */
const TRIAL = { vcpus: 1, memoryMb: 256 }
/** Where KVM works at all, a guest answers in less than two seconds; a crawling one would take minutes. */
const TRIAL_MS = 15_000

export interface OpenHost {
  dataDir: string
  driver: DriverChoice
  log: Logger
  /** The images to offer; made before, by `buildImages`. */
  images: Image[]
  /** The names of the templates whose images come later. */
  building?: string[] | undefined
  /** What capsules' networks are like. Default: there are none. */
  network?: NetworkSettings | undefined
  /** Where upkeep is to do other than it does by itself. */
  upkeep?: Partial<UpkeepRules> | undefined
  /** What it leaves free of the machine. */
  reserves?: Reserves | undefined
  /** What the machine has. Default: what it says itself. */
  machine?: Machine | undefined
}

/** Opens the host on a data directory. `close` lets go of its capsules without ending them. */
export async function openHost({ dataDir, driver: choice, network, log, ...host }: OpenHost): Promise<Host> {
  const paths = pathsOf(dataDir)
  const { images } = host
  await Promise.all(
    [paths.images, paths.snapshots, paths.capsules, paths.staging].map((dir) =>
      mkdir(dir, { recursive: true, mode: 0o755 }),
    ),
  )
  // First, since it may fail: nothing else has to be given back then.
  const settings = network ?? { ...networkDefaults, mode: 'off' }
  const networks = await openNetworks({ dataDir, settings, log })
  const workers = startWorkers()
  const driver = openDriver(choice, {
    log,
    runTask: workers.run,
    dataDir: paths.data,
    verdictFile: paths.accelerator,
    tryBoot: async (boot) => {
      await using undo = new Undo(log)
      await bootImage({
        context: { paths },
        image: images[0]!,
        size: TRIAL,
        name: 'accelerator-trial',
        undo,
        boot,
        triesMs: [TRIAL_MS],
        log,
      })
    },
  })
  const context: Context = { paths, driver, network: networks, runTask: workers.run, log }
  const limits = { maxVcpus: availableParallelism() * 4, maxMemoryMb: Math.floor((totalmem() / MiB) * 0.9) }
  const onClose = async () => {
    await Promise.all([workers.close(), networks.close()])
  }
  return new Host({ context, limits, onClose, ...host })
}
