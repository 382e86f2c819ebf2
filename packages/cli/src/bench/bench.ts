/** `wrenn bench`: measures what this machine makes of Wrenn, each figure beside its reference. */
import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import type { World } from '../context.js'
import { readSettings } from '../up/settings.js'
import { conditionsOf } from './conditions.js'
import { figures } from './figures/index.js'
import { withLab } from './lab.js'
import { measure } from './measure.js'
import { report } from './report.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export interface BenchOptions {
  rounds: number
  /** The figures that are wanted; all when absent. */
  only?: string[]
  /** Where the images are, instead of in the server's data directory. */
  dataDir?: string
  json?: boolean
}

/** Resolves with the exit code: 1 when a figure failed. An aim that is missed is none of its business. */
export async function bench({ rounds, only, dataDir, json }: BenchOptions, world: World): Promise<number> {
  const chosen = choose(only)
  const settings = readSettings(world.env)
  const log = pino({ level: world.env['LOG_LEVEL'] ?? 'fatal' }, pino.destination(2))
  const stopping = new AbortController()
  const tell = (text: string) => void world.stderr.write(`${text}\n`)
  const stop = () => {
    tell('Interrupted; what is under way ends first, and then everything is removed.')
    stopping.abort(new Error('Interrupted.'))
  }
  // Until everything is removed, being told again changes nothing.
  process.on('SIGINT', stop).on('SIGTERM', stop)
  try {
    const options = { ...settings, dataDir: dataDir ?? settings.dataDir, version, log, signal: stopping.signal }
    return await withLab(options, async (lab) => {
      const conditions = await conditionsOf({ facts: await lab.host.facts(), dataDir: lab.dataDir, rounds })
      // As after `npm start`, a start of the default size has no boot in it.
      tell('getting ready')
      await lab.host.makeReady(lab.image.id, lab.bench.size)
      const results = await measure(lab, { figures: chosen, rounds, tell })
      const shown = json ? JSON.stringify({ conditions, results }, null, 2) : report(conditions, results)
      world.stdout.write(`${shown}\n`)
      return results.some(({ failure }) => failure !== undefined) ? 1 : 0
    })
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

function choose(only: string[] | undefined) {
  const names = figures.map(({ name }) => name)
  const unknown = only?.filter((name) => !names.includes(name)) ?? []
  if (unknown.length > 0) throw new Error(`There is no figure ${unknown.join(', ')}; there are ${names.join(', ')}.`)
  return figures.filter(({ name }) => only?.includes(name) ?? true)
}
