/** A server on the fake vmm to be fuzzed, and an audit of what is left of it. */
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathsOf } from '@wrenn/host'
import { FakeWorld, makeFakeImage } from '@wrenn/host/fake'
import { pino } from 'pino'
import { start, type Running } from '../wrenn.js'

/** Many wrong keys are a part of it, and stalling clients are cut soon. */
const limits = {
  rates: { failures: 1_000_000 },
  patience: { headersMs: 1500, stallMs: 1500, keepAliveMs: 1500 },
}

export interface Fuzzed extends Running {
  /** What the log has of errors, a line each. */
  readonly errors: string[]
  /** Deletes the team's capsules and templates, stops the server, removes its files, and tells what was left all the same. */
  end(): Promise<string[]>
}

export async function startFuzzed(key?: string): Promise<Fuzzed> {
  const dataDir = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'wrenn-fuzz-'))
  const world = new FakeWorld()
  const errors: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })
  const images = [await makeFakeImage(pathsOf(dataDir), 'minimal')]
  const running = await start({ dataDir, driver: { kind: 'fake', world }, images, logger, limits }, key)
  const end = async () => {
    try {
      await deleteAll(running)
      await running.stop()
      return [...machinesIn(world), ...(await filesIn(dataDir))]
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  }
  return Object.assign(running, { errors, end })
}

/** Deletes all that the team has. */
export async function deleteAll({ url, key }: Pick<Running, 'url' | 'key'>): Promise<void> {
  const ask = (path: string, method = 'GET') => fetch(url + path, { method, headers: { 'x-api-key': key } })
  const list = async (path: string) => (await (await ask(path)).json()) as Record<'id' | 'name', string>[]
  for (const { id } of await list('/v1/capsules')) await ask(`/v1/capsules/${id}`, 'DELETE')
  for (const { name } of await list('/v1/snapshots?type=snapshot')) await ask(`/v1/snapshots/${name}`, 'DELETE')
}

const machinesIn = (world: FakeWorld) => [...world.machines.values()].map(({ name }) => `the machine of ${name}`)

async function filesIn(dataDir: string): Promise<string[]> {
  const { capsules, snapshots, staging } = pathsOf(dataDir)
  const found = [capsules, snapshots, staging].map(async (dir) => {
    const names = existsSync(dir) ? await readdir(dir) : []
    return names.map((name) => join(dir, name))
  })
  return (await Promise.all(found)).flat()
}
