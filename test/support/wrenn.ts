/** A whole Wrenn for tests: store, host and server in this process, on loopback. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkFormat,
  openHost,
  pathsOf,
  upgradeData,
  type DriverChoice,
  type Host,
  type Image,
  type UpkeepRules,
} from '@wrenn/host'
import { FakeWorld, makeFakeImage } from '@wrenn/host/fake'
import { createServer, ensureFirstKey, openStore, type CreateServer, type Server, type Store } from '@wrenn/server'
import { newKey } from '@wrenn/wire'
import { pino, type Logger } from 'pino'

/** Set LOG_LEVEL to see what the server says. */
const quiet = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' })

/** Which version the tests' servers say they are. */
const VERSION = '0.0.0-test'
const SECRET = new Uint8Array(32).fill(7)

export interface Running {
  url: string
  key: string
  dataDir: string
  store: Store
  host: Host
  /** Ends the server as a crash would leave it for the next: capsules go on. */
  stop(): Promise<void>
}

export interface Start {
  dataDir: string
  driver: DriverChoice
  images: Image[]
  upkeep?: Partial<UpkeepRules> | undefined
  logger?: Logger | undefined
  /** What is sealed with. */
  secret?: Uint8Array
  /** How often clients may ask, and how long they may stall. */
  limits?: Pick<CreateServer, 'rates' | 'patience'>
}

/** Starts on a data directory, which may have been used before. The key is the same each time. */
export async function start(
  { dataDir, driver, images, upkeep, logger = quiet, secret = SECRET, limits }: Start,
  key = newKey(),
): Promise<Running> {
  const from = await checkFormat(dataDir)
  const store = await openStore(join(dataDir, 'wrenn.db'))
  await upgradeData({ dataDir, from, version: VERSION })
  await ensureFirstKey({ store, wanted: key })
  const host = await openHost({ dataDir, driver, log: logger, images, upkeep })
  const server: Server = await createServer({ store, host, version: VERSION, logger, secret, ...limits })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  const stop = async () => {
    await server.close()
    await host.close()
    await store.close()
  }
  return { url, key, dataDir, store, host, stop }
}

export interface FakeRunning extends Running {
  world: FakeWorld
  /** Stops and starts again on the same data and the same world, to which something may happen meanwhile. */
  restart(meanwhile?: () => Promise<void>): Promise<void>
  /** Stops and removes everything. */
  end(): Promise<void>
}

/**
 * Starts on the fake vmm, with an empty data directory and the platform's templates.
 *
 * @param parent where the data directory is made
 */
export async function startFake(
  upkeep?: Partial<UpkeepRules>,
  parent = tmpdir(),
  logger?: Logger,
): Promise<FakeRunning> {
  const dataDir = await mkdtemp(join(parent, 'wrenn-e2e-'))
  const world = new FakeWorld()
  const paths = pathsOf(dataDir)
  const images = [await makeFakeImage(paths, 'minimal'), await makeFakeImage(paths, 'base-python')]
  const how: Start = { dataDir, driver: { kind: 'fake', world }, images, upkeep, logger }
  const running = { ...(await start(how)), world } as FakeRunning
  return Object.assign(running, {
    restart: async (meanwhile?: () => Promise<void>) => {
      await running.stop()
      await meanwhile?.()
      Object.assign(running, await start(how, running.key))
    },
    end: async () => {
      await running.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  })
}
