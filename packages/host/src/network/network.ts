/** The networks of a host's capsules. */
import { Problem, type HostFacts } from '@wrenn/wire'
import type { Logger } from 'pino'
import { Forwarder } from './dns/forwarder.js'
import { hostResolvers } from './dns/upstream.js'
import { addResolver, closeMachine, obstacle, openMachine } from './machine.js'
import { Pool } from './pool.js'
import type { HostRules } from './rules/host.js'
import type { NetworkSettings } from './settings.js'
import { networkOwner, resolverPort } from '../machine-names.js'
import { removeSlots, Slot, slotsOf, type NetworkRecord, type Surroundings } from './slot.js'

export interface Network {
  readonly facts: HostFacts['network']
  /** A fresh network, open to the internet, for a capsule to come; undefined where there is none. The caller releases it. */
  take(): Promise<Slot | undefined>
  /** Takes up a network after our own restart; undefined when it is gone. */
  adopt(record: NetworkRecord): Promise<Slot | undefined>
  /** Removes a network behind whoever used it, which must have ended. */
  release(slot: Slot): void
  /** Removes what is left of an earlier run and was not adopted, and makes networks ready from now on. */
  begin(): Promise<void>
  /** Lets go. Networks that are in use stay. */
  close(): Promise<void>
}

export interface OpenNetwork {
  dataDir: string
  settings: NetworkSettings
  log: Logger
}

/** Opens the network as far as there can be one. @throws {Problem} `host_unavailable` when it has to be there and cannot */
export async function openNetworks({ dataDir, settings, log }: OpenNetwork): Promise<Network> {
  const owner = networkOwner(dataDir)
  const none = (reason: string) => new NoNetwork(owner, { isThere: false, reason }, log)
  if (settings.mode === 'off') return none('it is turned off (WRENN_NETWORK)')
  const cannot = (reason: string, cause?: unknown) => {
    if (settings.mode === 'auto') return none(reason)
    throw new Problem('host_unavailable', `Capsules can have no network here: ${reason}.`, {
      cause,
      hint: 'Or start without: WRENN_NETWORK=off.',
    })
  }
  const reason = await obstacle()
  if (reason) return cannot(reason)
  try {
    return await Networks.open({ owner, settings, log })
  } catch (err) {
    log.warn({ err }, 'there can be no network')
    return cannot(
      'the machine does not let its network be changed: in a container it takes CAP_NET_ADMIN and CAP_SYS_ADMIN',
      err,
    )
  }
}

class NoNetwork implements Network {
  constructor(
    private readonly owner: string,
    readonly facts: HostFacts['network'],
    private readonly log: Logger,
  ) {}

  async take(): Promise<undefined> {}
  async adopt(): Promise<undefined> {}
  release(): void {}
  begin(): Promise<void> {
    return reclaim(this.owner, new Set(), this.log)
  }
  async close(): Promise<void> {}
}

interface Opened {
  owner: string
  settings: NetworkSettings
  log: Logger
}

class Networks implements Network {
  readonly #opened: Opened
  readonly #rules: HostRules
  readonly #forwarder: Forwarder
  readonly #pool: Pool
  readonly #surroundings: Surroundings
  /** In use, by the address that their questions come from. */
  readonly #used: Map<string, Slot>

  private constructor(
    opened: Opened,
    parts: { forwarder: Forwarder; resolver: HostRules['resolver']; used: Map<string, Slot> },
  ) {
    const { owner, settings, log } = opened
    const { pool, allow, ready } = settings
    this.#opened = opened
    this.#forwarder = parts.forwarder
    this.#used = parts.used
    this.#rules = { pool, resolver: parts.resolver }
    this.#surroundings = { opened: allow, resolver: parts.resolver }
    this.#pool = new Pool({ place: { owner, pool }, surroundings: this.#surroundings, size: ready, log })
  }

  static async open(opened: Opened): Promise<Networks> {
    const { owner, settings, log } = opened
    const used = new Map<string, Slot>()
    const { resolvers } = settings
    const forwarder = new Forwarder({
      clientAt: (address) => used.get(address),
      resolvers: resolvers ? () => resolvers : hostResolvers(),
      log,
    })
    const address = await addResolver(settings.pool)
    try {
      const port = await forwarder.listen(address, resolverPort(owner))
      const networks = new Networks(opened, { forwarder, resolver: { address, port }, used })
      await openMachine(networks.#rules)
      return networks
    } catch (error) {
      await forwarder.close()
      throw error
    }
  }

  get facts(): HostFacts['network'] {
    const { allow, pool } = this.#opened.settings
    const opened = allow.length > 0 ? `, and ${allow.join(', ')}` : ''
    return { isThere: true, reason: `each capsule has its own, out of ${pool}; the internet${opened}` }
  }

  async take(): Promise<Slot> {
    const slot = await this.#pool.take()
    this.#used.set(slot.ends.namespace, slot)
    return slot
  }

  async adopt({ number, policy }: NetworkRecord): Promise<Slot | undefined> {
    const { owner, settings, log } = this.#opened
    try {
      const slot = await Slot.adopt({ owner, pool: settings.pool, number }, policy, this.#surroundings)
      this.#used.set(slot.ends.namespace, slot)
      return slot
    } catch (err) {
      log.error({ err, number }, 'a network could not be taken up again')
      return undefined
    }
  }

  release(slot: Slot): void {
    this.#used.delete(slot.ends.namespace)
    this.#pool.release(slot)
  }

  async begin(): Promise<void> {
    const kept = new Set([...this.#used.values()].map(({ number }) => number))
    await reclaim(this.#opened.owner, kept, this.#opened.log)
    this.#pool.fill()
  }

  async close(): Promise<void> {
    await Promise.all([this.#forwarder.close(), this.#pool.close()])
    await closeMachine(this.#rules).catch((err: unknown) =>
      this.#opened.log.warn({ err }, 'the network of the machine could not be cleaned up'),
    )
  }
}

async function reclaim(owner: string, kept: ReadonlySet<number>, log: Logger): Promise<void> {
  const left = (await slotsOf(owner)).filter((number) => !kept.has(number))
  for (const number of left) log.warn({ number }, 'removing a network that no capsule has')
  await removeSlots(owner, left)
}
