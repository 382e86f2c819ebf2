/** `wrenn doctor`: looks at the machine and the data directory, and says what is wrong and what helps. */
import { readFileSync } from 'node:fs'
import type { World } from '../context.js'
import { examine, exitCodeOf, summarise } from './examine.js'
import { fix } from './fix.js'
import type { Report } from './shape.js'
import { show } from './show.js'
import { subjectOf, type Wishes } from './subject.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export interface DoctorOptions {
  json?: boolean
  quick?: boolean
  boot?: boolean
  fix?: boolean
  strict?: boolean
}

/** Runs the doctor. @returns the exit code: 2 with errors, 1 with warnings under `strict`, else 0 */
export async function doctor(
  options: DoctorOptions,
  world: Pick<World, 'env' | 'stdout' | 'stderr' | 'signal'>,
): Promise<number> {
  const isTerminal = (stream: NodeJS.WritableStream) => 'isTTY' in stream && stream.isTTY === true
  const line = isTerminal(world.stderr) && !options.json
  const onProgress = (text: string) => void (line && world.stderr.write(`\r\x1b[K${text}`))
  const report = await examined(world.env, {
    wishes: { isQuick: options.quick ?? false, boots: options.boot ?? false, signal: world.signal, onProgress },
    fixes: options.fix ?? false,
  })
  if (line) world.stderr.write('\r\x1b[K')
  const isColoured = isTerminal(world.stdout) && !world.env['NO_COLOR']
  world.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : show(report, isColoured)}\n`)
  return exitCodeOf(report.summary, options.strict ?? false)
}

/** The report; where things were put right, of how it is after that. */
export async function examined(
  env: NodeJS.ProcessEnv,
  { wishes, fixes }: { wishes: Wishes; fixes: boolean },
): Promise<Report> {
  const before = await subjectOf(env, wishes)
  const fixed = fixes ? await fix(before.dataDir) : []
  const subject = fixes ? await subjectOf(env, wishes) : before
  const findings = await examine(subject)
  const { dataDir, store } = subject
  return {
    version,
    data_dir: dataDir,
    serving: store.state === 'in use',
    summary: summarise(findings),
    findings,
    fixed,
  }
}
