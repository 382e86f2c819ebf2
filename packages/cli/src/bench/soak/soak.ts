/** `wrenn bench soak`: everything at random for a long time, with faults; nothing may be lost, and nothing left behind. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openHost, pathsOf } from '@wrenn/host'
import { pino } from 'pino'
import { Wrenn } from 'wrenn'
import type { World } from '../../context.js'
import { readSettings, type Settings } from '../../up/settings.js'
import { linkTree } from '../link-tree.js'
import { complaints, soakReport, type Outcome } from './report.js'
import { soakSubject, type SoakPlan } from './drive.js'
import { startSubject } from './subject.js'
import { newIn, tracesOf } from './traces.js'

/** A call may wait for a boot, which may take several tries. */
const CALL_MS = 180_000
/** Longer than an HTTP connection is kept that nobody uses. */
const REST_MS = 6_000

export interface SoakOptions {
  minutes: number
  operations: number
  capsules: number
  workers: number
  /** How long it is between two faults, in seconds; 0: there are none. */
  faultEvery: number
  seed?: number
  /** Where the images are, instead of in the server's data directory. */
  dataDir?: string
  json?: boolean
}

/** Resolves with the exit code: 1 when anything was wrong, lost or left behind. */
export async function soak(options: SoakOptions, world: World): Promise<number> {
  const settings = readSettings(world.env)
  const seed = options.seed ?? Date.now() % 1_000_000_000
  const tell = (text: string) => void world.stderr.write(`${text}\n`)
  const stopping = new AbortController()
  const stop = () => {
    tell('Interrupted; what is under way ends first, and then everything is removed.')
    stopping.abort(new Error('Interrupted.'))
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    // As the server sees it: names outside of the directory follow from its path.
    const source = resolve(options.dataDir ?? settings.dataDir)
    const plan = { ...options, seed, tell, restMs: REST_MS, signal: stopping.signal }
    const outcome = await onOwnData({ ...settings, dataDir: source }, world, plan)
    world.stdout.write(`${options.json ? JSON.stringify(outcome, null, 2) : soakReport(outcome)}\n`)
    return complaints(outcome).length > 0 ? 1 : 0
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** Whatever comes of it, nothing is left: no process, no file. */
async function onOwnData(settings: Settings, { env }: World, plan: SoakPlan): Promise<Outcome> {
  const { agent, accelerator } = settings
  const dataDir = await mkdtemp(join(settings.dataDir, 'soak-'))
  const logFile = join(tmpdir(), `wrenn-soak-${plan.seed}.log`)
  plan.tell(`seed ${plan.seed}; what the server says is in ${logFile}`)
  try {
    await takeImages(settings.dataDir, dataDir)
    const before = await tracesOf(dataDir)
    const subject = await startSubject({ env, dataDir, agent, logFile })
    try {
      const ready = await tracesOf(dataDir)
      const client = new Wrenn({ baseUrl: `${subject.url}/api`, apiKey: subject.apiKey, timeoutMs: CALL_MS })
      const soaked = await soakSubject({ subject, client }, plan)
      await subject.stop()
      const after = await tracesOf(dataDir)
      return { ...soaked, left: { ...newIn(before, after), files: newIn(ready, after).files } }
    } finally {
      await subject.stop()
    }
  } finally {
    await sweep(dataDir, accelerator)
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Links the images, so that little has to be built again. */
async function takeImages(source: string, dataDir: string): Promise<void> {
  const [from, to] = [pathsOf(source), pathsOf(dataDir)]
  for (const folder of ['images', 'parts'] as const) await linkTree(from[folder], to[folder])
  await copyFile(from.accelerator, to.accelerator).catch(() => {})
}

/** A host that is to have no capsule ends every process that it finds. */
async function sweep(dataDir: string, accelerator: Settings['accelerator']): Promise<void> {
  const log = pino({ level: 'silent' })
  const host = await openHost({ dataDir, driver: { kind: 'qemu', accelerator }, log, images: [] })
  await host.reconcile({ capsuleIds: [], snapshotIds: [] })
  await host.close()
}
