/** The templates that take long to build: the server serves already, and offers each as soon as it can be started. */
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
}

/** Shorter than this nobody wants to know of it, in milliseconds. */
const WORTH_TELLING_MS = 2_000

/** Builds and offers them, one after the other. What fails is told and given up; the server goes on. Never rejects. */
export async function buildLater(later: BuildLater, signal: AbortSignal): Promise<void> {
  for (const template of later.templates) {
    if (signal.aborted) return
    await buildOneLater(later, template, signal)
  }
}

async function buildOneLater(later: BuildLater, template: string, signal: AbortSignal): Promise<void> {
  const { settings, box, log, tell = console.log, buildOne = build } = later
  const begun = performance.now()
  const announced = setTimeout(
    () => tell(`The template ${template} is made meanwhile, which takes some minutes.`),
    WORTH_TELLING_MS,
  )
  const onStep = (step: string) => tell(`Platform templates: ${step}`)
  try {
    const [image] = await buildOne({ settings, templates: [template], onStep, isGentle: true }, signal)
    if (signal.aborted) return
    await box.offer(image!)
    const tookMs = performance.now() - begun
    if (tookMs > WORTH_TELLING_MS) tell(`The template ${template} is there, after ${Math.round(tookMs / 1000)} s.`)
  } catch (err) {
    if (signal.aborted) return
    log.error({ err, template }, 'a template could not be made')
    tell(`The template ${template} could not be made: ${err instanceof Error ? err.message : String(err)}`)
    tell('The next start of the server tries again; WRENN_TEMPLATES leaves it out.')
    box.giveUp(template)
  } finally {
    clearTimeout(announced)
  }
}
