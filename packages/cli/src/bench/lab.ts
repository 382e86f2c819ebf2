/** A Wrenn of its own for the benchmark: on a data directory that is gone afterwards, used over HTTP like any other. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { buildImages, imagesAreBuilt, openHost, pathsOf, startWorkers, type Host, type Image } from '@wrenn/host'
import { openHostBench, type HostBench } from '@wrenn/host/bench'
import { createServer, ensureFirstKey, openStore } from '@wrenn/server'
import { newKey } from '@wrenn/wire'
import type { Logger } from 'pino'
import { Wrenn } from 'wrenn'
import { linkTree } from './link-tree.js'

/** What capsules of the benchmark are made of. */
export const TEMPLATE = 'minimal'
const SIZE = { vcpus: 1, memoryMb: 512 }
/** A call may wait for a boot, which may take several tries. */
const CALL_MS = 180_000

export interface OpenLab {
  /** Where the images are. */
  dataDir: string
  agent: string
  accelerator: 'auto' | 'kvm' | 'tcg'
  version: string
  log: Logger
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
}

export interface Lab {
  client: Wrenn
  host: Host
  image: Image
  /** What neither client nor server know of. */
  bench: HostBench
  dataDir: string
  signal: AbortSignal
}

/** What is to be given back, last in, first out. */
type Releases = (() => Promise<unknown>)[]

/** Opens a lab for `use`. Whatever comes of that, nothing is left of it: no process, no file. */
export async function withLab<T>(options: OpenLab, use: (lab: Lab) => Promise<T>): Promise<T> {
  const { dataDir: source, agent } = options
  if (!(await imagesAreBuilt({ paths: pathsOf(source), agent })))
    throw new Error(`There are no images in ${source}. \`npm start\` builds them; --data-dir names another place.`)
  const dataDir = await mkdtemp(join(source, 'bench-'))
  const releases: Releases = [() => rm(dataDir, { recursive: true, force: true })]
  try {
    return await use(await open(options, dataDir, releases))
  } finally {
    for (const release of releases.reverse())
      await release().catch((err: unknown) => options.log.error({ err }, 'something of the benchmark may be left'))
  }
}

async function open(options: OpenLab, dataDir: string, releases: Releases): Promise<Lab> {
  const { accelerator, version, log, signal } = options
  const driver = { kind: 'qemu', accelerator } as const
  const images = await takeImages(options, dataDir)
  const store = await openStore(join(dataDir, 'wrenn.db'))
  releases.push(() => store.close())
  const apiKey = newKey()
  await ensureFirstKey({ store, wanted: apiKey })

  const openAnother = () => openHost({ dataDir, driver, log, images })
  releases.push(() => sweep(openAnother))
  const host = await openAnother()
  releases.push(() => host.close())
  await host.facts()
  const server = await createServer({ store, host, version, logger: log, secret: randomBytes(32) })
  releases.push(() => server.close())
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  const image = images.find(({ name }) => name === TEMPLATE)!
  const bench = openHostBench({ dataDir, driver, image, size: SIZE, log, signal })
  releases.push(() => bench.close())
  const client = new Wrenn({ baseUrl: `${url}/api`, apiKey, timeoutMs: CALL_MS })
  releases.push(() => clear(client))
  return { client, host, image, bench, dataDir, signal }
}

/** Links the images, so that nothing is built again; what is made ready in other sizes is the lab's own. */
async function takeImages({ dataDir: source, agent }: OpenLab, dataDir: string): Promise<Image[]> {
  const [from, to] = [pathsOf(source), pathsOf(dataDir)]
  for (const folder of ['images', 'parts'] as const) await linkTree(from[folder], to[folder])
  await copyFile(from.accelerator, to.accelerator).catch(() => {})
  const workers = startWorkers()
  try {
    return await buildImages({ paths: to, runTask: workers.run, agent })
  } finally {
    await workers.close()
  }
}

/** Removes all capsules and the templates made of them. */
export async function clear({ capsules, templates }: Wrenn): Promise<void> {
  await Promise.all((await capsules.list()).map((capsule) => capsule.destroy()))
  for (const template of await templates.list({ type: 'snapshot' })) await template.delete()
}

/** A host that is to have no capsule ends every process that it finds. */
async function sweep(openAnother: () => Promise<Host>): Promise<void> {
  const host = await openAnother()
  await host.reconcile({ capsuleIds: [], snapshotIds: [] })
  await host.close()
}
