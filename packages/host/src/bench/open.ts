import type { Logger } from 'pino'
import type { Context } from '../context.js'
import type { Size } from '../images/ready.js'
import type { Image } from '../images/store.js'
import { pathsOf } from '../paths.js'
import { openDriver, type DriverChoice } from '../vmm/registry.js'
import { startWorkers } from '../worker/pool.js'

export interface OpenHostBench {
  /** That of a host which is open, and knows its accelerator. */
  dataDir: string
  driver: DriverChoice
  /** What is booted. */
  image: Image
  size: Size
  log: Logger
  /** Aborts what is being booted. */
  signal: AbortSignal
}

export interface HostBench extends Pick<OpenHostBench, 'image' | 'size' | 'signal'> {
  /** These machines have no network. */
  context: Omit<Context, 'network'>
  close(): Promise<void>
}

/** Machines beside those of the host, on the same disk and under the same conditions. */
export function openHostBench({ dataDir, driver: choice, log, ...rest }: OpenHostBench): HostBench {
  const paths = pathsOf(dataDir)
  const workers = startWorkers()
  const driver = openDriver(choice, {
    log,
    runTask: workers.run,
    // Its own, beside the host's.
    dataDir: `${paths.data}#bench`,
    verdictFile: paths.accelerator,
    tryBoot: () => Promise.reject(new Error('the host has not found out its accelerator yet')),
  })
  const close = async () => {
    await driver.close()
    await workers.close()
  }
  return { ...rest, context: { paths, driver, runTask: workers.run, log }, close }
}
