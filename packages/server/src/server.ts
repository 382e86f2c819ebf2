/** The control plane, put together. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import type { HostClient } from '@wrenn/wire'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { Fleet } from './fleet/fleet.js'
import { makeApp } from './http/app.js'
import { PortProxy } from './proxy/proxy.js'
import { systemClock, type Clock } from './services/clock.js'
import { recover } from './services/recovery.js'
import { registerImages } from './services/images.js'
import { beginServices, makeServices, settleServices, stopServices, type Services } from './services/services.js'
import type { Store } from './store/store.js'

/** How long requests may take to end when the server closes; then their connections are cut. */
const POLITE_MS = 300
/** How long work that no request waits for may take to end when the server closes. What is cut off is taken back at the next start. */
const PATIENT_MS = 1_000

export interface CreateServer {
  store: Store
  host: HostClient
  /** The product's version. */
  version: string
  logger: Logger
  /**
   * What is sealed in the store with: 32 random bytes, the same at every start. Under another, what was sealed does not open.
   */
  secret: Uint8Array
  /** Whether ports of new capsules ask for a token where nothing is said. Default no. */
  proxyAuth?: boolean
  /** What operators show to be given the metrics at /metrics; without one, they are given to this machine alone. */
  metricsToken?: string | undefined
  /** What time it is; in tests. */
  clock?: Clock
}

/**
 * Makes a server on a store and a host: recovers what an earlier one left, and takes in the host's images. It serves
 * once `listen` was called.
 */
export async function createServer({
  store,
  host,
  version,
  logger,
  secret,
  proxyAuth = false,
  metricsToken,
  clock = systemClock,
}: CreateServer): Promise<Server> {
  const { isThere: hasNetwork } = (await host.facts()).network
  const context = { store, fleet: new Fleet([host]), log: logger, clock, hasNetwork }
  const services = makeServices(context, { proxyAuth, secret })
  await recover(context)
  await registerImages(store, host)
  host.onImages(() => {
    registerImages(store, host).catch((err: unknown) => logger.error({ err }, 'an image could not be taken in'))
  })
  await beginServices(services, context)
  const proxy = new PortProxy({ ...services, log: logger })
  const app = await makeApp({ services, proxy, version, logger, metricsToken })
  return new Server(app, { services, proxy })
}

export class Server {
  constructor(
    private readonly app: FastifyInstance,
    private readonly parts: { services: Services; proxy: PortProxy },
  ) {}

  /** Begins to serve. Port 0 takes a free one. */
  async listen({ host, port }: { host: string; port: number }): Promise<{ url: string }> {
    await this.app.listen({ host, port })
    const { address, port: taken, family } = this.app.server.address() as AddressInfo
    const shown = family === 'IPv6' ? `[${address}]` : address
    return { url: `http://${shown}:${taken}` }
  }

  /** Stops serving within a second or two; capsules are not touched. The store and the host stay open. */
  async close(): Promise<void> {
    const { services, proxy } = this.parts
    stopServices(services)
    const closed = this.app.close()
    await Promise.race([closed, unlessLater(POLITE_MS)])
    this.app.server.closeAllConnections()
    proxy.close()
    await closed
    await Promise.race([settleServices(services), unlessLater(PATIENT_MS)])
  }
}

/** Resolves after a time, but is no reason for the process to stay. */
function unlessLater(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false })
}
