/** One machine's Wrenn: store, host and server put together in one process. */
import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { checkFormat, openHost, upgradeData, type Host, type Image } from '@wrenn/host'
import { createServer, openStore, type Server, type Store, type Tls } from '@wrenn/server'
import type { Logger } from 'pino'
import { secretOf } from './secret.js'
import type { Settings } from './settings.js'

/** The size that platform templates are made ready for ahead of their first start: the API's default. */
const DEFAULT_SIZE = { vcpus: 1, memoryMb: 512 }

/**
 * Opens the store, which also keeps a second server off the data directory, and brings that to the form of today.
 *
 * @param version the product's
 * @throws Problem `conflict` when another server uses it, or a newer version of Wrenn made it
 */
export async function openBoxStore(dataDir: string, version: string): Promise<Store> {
  const from = await checkFormat(dataDir)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const store = await openStore(join(dataDir, 'wrenn.db'))
  try {
    await upgradeData({ dataDir, from, version })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

export interface OpenBox {
  settings: Settings
  store: Store
  tls: Tls | undefined
  images: Image[]
  /** The names of the templates whose images are offered later. */
  building: string[]
  log: Logger
  version: string
}

export class Box {
  readonly #server: Server
  readonly #host: Host
  readonly #images: Image[]

  private constructor(server: Server, host: Host, images: Image[]) {
    this.#server = server
    this.#host = host
    this.#images = images
  }

  /** Opens the host and recovers what ran before. */
  static async open({ settings, store, tls, images, building, log, version }: OpenBox): Promise<Box> {
    const driver = { kind: 'qemu', accelerator: settings.accelerator } as const
    const { dataDir, network, reserves } = settings
    const host = await openHost({ dataDir, driver, network, reserves, log, images, building })
    try {
      // The accelerator is tried before anything else runs on this host.
      await host.facts()
      const { proxyAuth, metricsToken, trustedProxies, origins, rateLimit } = settings
      const secret = await secretOf(settings.dataDir)
      const server = await createServer({
        ...{ store, host, version, logger: log, secret, proxyAuth, metricsToken, trustedProxies, origins, tls },
        rates: { perKey: rateLimit },
      })
      return new Box(server, host, images)
    } catch (error) {
      await host.close()
      throw error
    }
  }

  facts() {
    return this.#host.facts()
  }

  /** Boots each platform template once in the default size, so that its first start restores too. */
  async makeReady(tell: (text: string) => void): Promise<void> {
    for (const { id, name } of this.#images) {
      tell(name)
      await this.#host.makeReady(id, DEFAULT_SIZE)
    }
  }

  /** Offers an image that was built meanwhile, once its memory is ready. */
  offer(image: Image): Promise<void> {
    return this.#host.offer(image, DEFAULT_SIZE)
  }

  /** The template is not to come any more. */
  giveUp(template: string): void {
    this.#host.giveUp(template)
  }

  /** Serves; resolves with the URL. */
  async listen({ host, port }: Settings['listen']): Promise<string> {
    const { url } = await this.#server.listen({ host, port })
    return url
  }

  /** Takes another certificate for new connections. @throws Error when it is none */
  renewTls(tls: Tls): void {
    this.#server.renewTls(tls)
  }

  /** Stops serving and lets go of the capsules, which go on. */
  async close(): Promise<void> {
    await this.#server.close()
    await this.#host.close()
  }
}
