/** Wrenn on real QEMU, for tests. */
import { copyFile, mkdir, mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildImages, openHost, pathsOf, startWorkers, type Image, type UpkeepRules } from '@wrenn/host'
import { pino } from 'pino'
import { dataDirPrefix } from './audit/run.js'
import { sweepMachine } from './audit/sweep.js'
import { start, type Running, type Start } from './wrenn.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
export const cache = join(root, '.cache', 'vm')
export const agent =
  process.env['WRENN_AGENT'] ?? join(root, 'agent/target/x86_64-unknown-linux-gnu/release/wrenn-agent')

/** Builds templates in a data directory, unless they are there. Default: those that a server starts with. */
async function build(dataDir: string, templates?: string[], onStep?: (step: string) => void): Promise<Image[]> {
  const workers = startWorkers()
  try {
    return await buildImages({ paths: pathsOf(dataDir), runTask: workers.run, agent, templates, onStep })
  } finally {
    await workers.close()
  }
}

/** The images of a data directory that was made by `freshDataDir`. */
export const imagesIn = (dataDir: string, templates: string[]): Promise<Image[]> => build(dataDir, templates)

/** Builds templates in the cache with their memory of the default size, unless they are there. */
export async function makeTemplates(say: (text: string) => void, templates?: string[]): Promise<void> {
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const images = await build(cache, templates, say)
  const log = pino({ level: 'silent' })
  const host = await openHost({ dataDir: cache, driver: { kind: 'qemu', accelerator: 'auto' }, log, images })
  try {
    const { vmmVersion, accelerator, acceleratorReason } = await host.facts()
    say(`QEMU ${vmmVersion} under ${accelerator}: ${acceleratorReason}`)
    for (const { id } of images) await host.makeReady(id, { vcpus: 1, memoryMb: 512 })
  } finally {
    await host.close()
  }
}

/** A fresh data directory that has the templates: its files are links to the cache's. */
export async function freshDataDir(): Promise<string> {
  const dataDir = await mkdtemp(dataDirPrefix())
  for (const name of ['images', 'parts']) linkTree(join(cache, name), join(dataDir, name))
  await copyFile(join(cache, 'accelerator.json'), join(dataDir, 'accelerator.json')).catch(() => {})
  return dataDir
}

function linkTree(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-al', from, to], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

export interface VmRunning extends Running {
  /** Stops and starts again on the same data; capsules go on meanwhile. */
  restart(): Promise<void>
  end(): Promise<void>
}

/** Starts on QEMU. Templates other than those that a server starts with have to be in the cache. */
export async function startVm(
  dataDir?: string,
  upkeep?: Partial<UpkeepRules>,
  templates?: string[],
): Promise<VmRunning> {
  const dir = dataDir ?? (await freshDataDir())
  const images = await build(dir, templates)
  const how: Start = { dataDir: dir, driver: { kind: 'qemu', accelerator: 'auto' }, images, upkeep }
  const running = (await start(how)) as VmRunning
  return Object.assign(running, {
    restart: async () => {
      await running.stop()
      Object.assign(running, await start(how, running.key))
    },
    end: async () => {
      await destroyAll(running)
      await running.stop()
      const left = await processesIn(dir)
      await removeDataDir(dir)
      if (left.length > 0) throw new Error(`processes are left: ${left.join(', ')}`)
    },
  })
}

async function destroyAll({ url, key }: Running): Promise<void> {
  const headers = { 'x-api-key': key }
  const capsules = (await (await fetch(`${url}/v1/capsules`, { headers })).json()) as { id: string }[]
  for (const { id } of capsules) await fetch(`${url}/v1/capsules/${id}`, { method: 'DELETE', headers })
}

export async function removeDataDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true })
  // Of capsules that a test has killed while no server ran.
  await sweepMachine(dir)
}

/** The pids of the processes that work below a directory: those of vms. */
export async function processesIn(dir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const works = async (pid: string) => (await readlink(`/proc/${pid}/cwd`).catch(() => '')).startsWith(dir)
  const found = await Promise.all(pids.map(async (pid) => ((await works(pid)) ? Number(pid) : undefined)))
  return found.filter((pid) => pid !== undefined)
}

/** A directory below the cache, kept between runs. */
export async function cached(name: string): Promise<string> {
  const dir = join(root, '.cache', name)
  await mkdir(dir, { recursive: true })
  return dir
}
