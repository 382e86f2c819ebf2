/** Builds images of platform templates in the data directory. */
import { buildImages, pathsOf, startWorkers, type Image } from '@wrenn/host'
import type { Settings } from './settings.js'

export interface Build {
  settings: Settings
  templates: string[]
  /** Told of each step, in words. */
  onStep?: (text: string) => void
  /** Whether others need the processors more. */
  isGentle?: boolean
}

/** Builds those that are missing and returns all. Aborting ends it; what is done of it is done again then. */
export async function build({ settings, templates, onStep, isGentle }: Build, signal: AbortSignal): Promise<Image[]> {
  const { dataDir, agent } = settings
  const workers = startWorkers()
  try {
    const paths = pathsOf(dataDir)
    return await buildImages({ paths, runTask: workers.run, agent, templates, onStep, isGentle, signal })
  } finally {
    await workers.close()
  }
}
