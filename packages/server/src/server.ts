/** The control plane, put together. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import { Problem, type HostClient } from '@wrenn/wire'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { Fleet } from './fleet/fleet.js'
import { makeApp } from './http/app.js'
import { renewTls, type Tls } from './http/listener.js'
import type { Patience } from './http/patience.js'
import { Peers } from './proxy/peers.js'
import { PortProxy } from './proxy/proxy.js'
import { isLoopback } from './services/addresses.js'
import { systemClock, type Clock } from './services/clock.js'
import { Owed } from './services/owed.js'
import { recover } from './services/recovery.js'
import { registerImages } from './services/images.js'
import { hasUsableKey } from './services/keys.js'
import type { Rates } from './services/limits.js'
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
  /** How often keys may ask, and wrong ones be tried. */
  rates?: Rates
  /** Addresses and CIDR ranges of the proxies in front of it, whose word on clients is taken. Default: none. */
  trustedProxies?: readonly string[]
  /** The origins whose pages may use the API from a browser. Default: none but its own. */
  origins?: readonly string[]
  /** The certificate to serve HTTPS with. Default: plain HTTP. */
  tls?: Tls | undefined
  /** How long clients may stall. */
  patience?: Partial<Patience>
  /** What time it is; in tests. */
  clock?: Clock
}

/**
 * Makes a server on a store and a host: recovers what an earlier one left, and takes in the host's images. It serves
 * once `listen` was called.
 */
export async function createServer(options: CreateServer): Promise<Server> {
  const { store, host, version, logger, secret, proxyAuth = false, clock = systemClock } = options
  const { rates = {}, trustedProxies, origins = [], metricsToken, tls, patience } = options
  const { isThere: hasNetwork } = (await host.facts()).network
  const owed = new Owed({ clock, log: logger })
  const context = { store, fleet: new Fleet([host]), log: logger, clock, owed, hasNetwork }
  const services = makeServices(context, { proxyAuth, secret, rates })
  await recover(context)
  await registerImages(store, host)
  host.onImages(() => void owed.pay('the taking in of images', () => registerImages(store, host)))
  await beginServices(services, context)
  const peers = new Peers(trustedProxies)
  const proxy = new PortProxy({ ...services, peers, log: logger })
  const app = await makeApp({ services, proxy, peers, version, logger, metricsToken, origins, tls, patience })
  return new Server(app, { store, services, proxy, isSecure: tls !== undefined })
}

interface Parts {
  store: Store
  services: Services
  proxy: PortProxy
  isSecure: boolean
}

export class Server {
  constructor(
    private readonly app: FastifyInstance,
    private readonly parts: Parts,
  ) {}

  /**
   * Begins to serve. Port 0 takes a free one.
   * @throws Problem `forbidden` when other machines could reach it, and nobody has a key
   */
  async listen({ host, port }: { host: string; port: number }): Promise<{ url: string }> {
    const { store, isSecure } = this.parts
    if (!isLoopback(host) && !(await hasUsableKey(store)))
      throw new Problem('forbidden', `Without an API key, ${host} is not listened on: other machines reach it.`)
    await this.app.listen({ host, port })
    const { address, port: taken, family } = this.app.server.address() as AddressInfo
    const shown = family === 'IPv6' ? `[${address}]` : address
    return { url: `${isSecure ? 'https' : 'http'}://${shown}:${taken}` }
  }

  /** Takes another certificate, for connections that are still to come. @throws Error when it is none */
  renewTls(tls: Tls): void {
    renewTls(this.app.server, tls)
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
