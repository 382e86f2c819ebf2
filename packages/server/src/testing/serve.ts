import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKey } from '@wrenn/wire'
import {
  createServer,
  ensureFirstKey,
  makeLogger,
  openStore,
  type CreateServer,
  type Server,
  type Store,
} from '../index.js'
import { MemoryHost } from './memory-host.js'
import { TestClock } from './test-clock.js'

/** A server on a host in memory, for tests. */
export interface Serving {
  url: string
  key: string
  host: MemoryHost
  store: Store
  /** Survives a restart, as time does; what waited before it waits no more. */
  clock: TestClock
  /** What is sealed with from the next start on. */
  secret: Uint8Array
  server: Server
  /** Everything that was logged, a line each. */
  log: string[]
  /** The files of the store. */
  files(): string[]
  /** Ends the server and starts another on the same store and host. */
  restart(): Promise<void>
  /** Stops and removes everything. */
  end(): Promise<void>
}

/** In memory where that is possible: what is synced there takes no time. */
const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

const SECRET = new Uint8Array(32).fill(7)

/** What of a server's options a test may choose. */
export type Choices = Partial<Omit<CreateServer, 'store' | 'host' | 'version' | 'logger' | 'clock' | 'secret'>>

/** Tests try more wrong keys than anybody else. */
const often = { failures: 1e6 }

/** What an earlier server left. */
export interface Left {
  /** The directory with its store's files. */
  dir: string
  key: string
  clock: TestClock
}

export async function serve(host = new MemoryHost(), choices: Choices = {}, left?: Left): Promise<Serving> {
  const dir = left?.dir ?? (await mkdtemp(join(folder, 'wrenn-server-')))
  const log: string[] = []
  const logger = makeLogger({ level: 'trace', to: { write: (line) => void log.push(line) } })
  const key = left?.key ?? newKey()
  const clock = left?.clock ?? new TestClock()
  const start = async (secret: Uint8Array) => {
    const store = await openStore(join(dir, 'wrenn.db'))
    await ensureFirstKey({ store, wanted: key })
    const server = await createServer({
      ...{ store, host, version: '1.2.3', logger, secret, clock, rates: often },
      ...choices,
    })
    const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
    return { store, server, url }
  }
  const serving: Serving = {
    ...(await start(SECRET)),
    secret: SECRET,
    key,
    host,
    clock,
    log,
    files: () => ['wrenn.db', 'wrenn.db-wal'].map((name) => join(dir, name)),
    restart: async () => {
      await serving.server.close()
      await serving.store.close()
      Object.assign(serving, await start(serving.secret))
    },
    end: async () => {
      await serving.server.close()
      await serving.store.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
  return serving
}
