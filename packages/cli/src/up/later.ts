/** The templates that take long to build: the server serves already, and offers each as soon as it can be started. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Box } from './box.js'
import { build } from './build.js'
import type { Settings } from './settings.js'

export interface BuildLater {
  settings: Settings
  box: Pick<Box, 'offer' | 'giveUp'>
  log: Logger
  templates: string[]
  /** Told what a person may want to know. Default: the console. */
  tell?: (text: string) => void
  /** Builds one image; in tests. */
  buildOne?: typeof build
  /** How long to wait after each failure, in milliseconds; after the last one it is given up. Default: 1 and 5 minutes. */
  waitsMs?: number[]
}

/** What fails of it is mostly for now: the network, or a machine that is too busy for a boot. */
const WAITS_MS = [60_000, 300_000]

/** Shorter than this nobody wants to know of it, in milliseconds. */
const WORTH_TELLING_MS = 2_000

/** Builds and offers them, one after the other. What fails is told, tried again and at last given up; the server goes on. Never rejects. */
export async function buildLater(later: BuildLater, signal: AbortSignal): Promise<void> {
  for (const template of later.templates) {
    if (signal.aborted) return
    await buildOneLater(later, template, signal)
  }
}

async function buildOneLater(later: BuildLater, template: string, signal: AbortSignal): Promise<void> {
  const { box, log, tell = console.log, waitsMs = WAITS_MS } = later
  for (const waitMs of [...waitsMs, undefined]) {
    try {
      return await attempt(later, template, signal)
    } catch (err) {
      if (signal.aborted) return
      log.error({ err, template }, 'a template could not be made')
      tell(`The template ${template} could not be made: ${err instanceof Error ? err.message : String(err)}`)
    }
    if (waitMs === undefined) break
    tell(`It is tried again in ${Math.ceil(waitMs / 60_000)} min. WRENN_TEMPLATES leaves it out.`)
    await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return
  }
  tell(`The template ${template} is given up until the next start of the server. WRENN_TEMPLATES leaves it out.`)
  box.giveUp(template)
}

async function attempt(later: BuildLater, template: string, signal: AbortSignal): Promise<void> {
  const { settings, box, tell = console.log, buildOne = build } = later
  const begun = performance.now()
  const announced = setTimeout(
    () => tell(`The template ${template} is made meanwhile, which takes some minutes.`),
    WORTH_TELLING_MS,
  )
  const onStep = (step: string) => tell(`Platform templates: ${step}`)
  try {
    const [image] = await buildOne({ settings, templates: [template], onStep, isGentle: true }, signal)
    signal.throwIfAborted()
    await box.offer(image!)
    const tookMs = performance.now() - begun
    if (tookMs > WORTH_TELLING_MS) tell(`The template ${template} is there, after ${Math.round(tookMs / 1000)} s.`)
  } finally {
    clearTimeout(announced)
  }
}
