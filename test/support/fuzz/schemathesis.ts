/** Schemathesis, which makes requests from an OpenAPI document; installed below the cache by whoever needs it first. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../vm.js'

const VERSION = '4.32.5'
const settings = fileURLToPath(new URL('../../fuzz/schemathesis/', import.meta.url))

/** The folder that it is in, or in words why there is none. */
export async function schemathesis(): Promise<{ folder: string } | { missing: string }> {
  const folder = join(await cached('fuzz'), `schemathesis-${VERSION}`)
  const isThere = () => run(programIn(folder), ['--version'], { PYTHONPATH: folder })
  if (existsSync(programIn(folder)) && isThere() === undefined) return { folder }
  // Into a folder rather than an environment: that takes a package of Debian's that few have.
  const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--upgrade', '--target', folder]
  const failed = run('python3', [...pip, `schemathesis==${VERSION}`]) ?? isThere()
  return failed ? { missing: failed } : { folder }
}

const programIn = (folder: string) => join(folder, 'bin', 'schemathesis')

function run(program: string, args: string[], env: Record<string, string> = {}): string | undefined {
  const options = { encoding: 'utf8', timeout: 240_000, env: { ...process.env, ...env } } as const
  const { status, error, stderr } = spawnSync(program, args, options)
  if (status === 0) return undefined
  return `${program} ${args.slice(0, 3).join(' ')} failed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
}

export interface Fuzzing {
  /** Where it is installed. */
  folder: string
  /** Of the server, without the base path. */
  url: string
  base: string
  key: string
  seed: number
  /** How many made-up requests of each operation; the boundaries of its values come besides. */
  examples: number
  /** What is tried. */
  phases: readonly ('examples' | 'coverage' | 'fuzzing' | 'stateful')[]
  /** It goes on for so long, if given. */
  seconds?: number | undefined
}

/** What an operation has answered. */
export interface Tally {
  /** How often by status; `none` where there was no answer in time. */
  answers: Record<string, number>
  /** Until the slowest answer, in seconds. */
  slowest: number
}

export interface Outcome {
  code: number | null
  said: string
  tallies: Record<string, Tally>
}

/** Fuzzes a server; what schemathesis finds is in what it says, and its exit code is not 0 then. */
export async function fuzz({ folder, url, base, key, seed, examples, phases, seconds }: Fuzzing): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), 'wrenn-schemathesis-'))
  const report = join(dir, 'report.json')
  const wanted = ['--seed', String(seed), '--max-examples', String(examples), '--no-color', '--url', url + base]
  const phased = ['--phases', phases.join(',')]
  const timed = seconds === undefined ? [] : ['--max-time', String(seconds)]
  const env = { ...process.env, FUZZ_URL: url + base, FUZZ_KEY: key, FUZZ_REPORT: report }
  const path = `${settings}:${folder}`
  const python = { PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1', SCHEMATHESIS_HOOKS: 'hooks' }
  try {
    const child = spawn(
      programIn(folder),
      [
        '--config-file',
        join(settings, 'schemathesis.toml'),
        'run',
        `${url}${base}/openapi.json`,
        ...wanted,
        ...phased,
        ...timed,
      ],
      { cwd: dir, env: { ...env, ...python, HOME: dir }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text))
    const [code] = (await once(child, 'close')) as [number | null]
    const tallies = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as Outcome['tallies']
    return { code, said, tallies }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A line for each operation: how many of its answers were successes, which others there were, and the slowest. */
export function tableOf(tallies: Outcome['tallies']): string {
  const rows = Object.entries(tallies).map(([name, { answers, slowest }]) => {
    const all = Object.values(answers).reduce((sum, count) => sum + count, 0)
    const share = `${Math.round((100 * successes({ answers, slowest })) / all)} %`
    const each = Object.entries(answers).map(([status, count]) => `${status}×${count}`)
    return `${name.padEnd(16)} ${share.padStart(5)} 2xx  ${slowest.toFixed(2).padStart(5)} s  ${each.sort().join(' ')}`
  })
  return rows.sort().join('\n')
}

export function successes({ answers }: Tally): number {
  const counts = Object.entries(answers).filter(([status]) => status.startsWith('2'))
  return counts.reduce((sum, [, count]) => sum + count, 0)
}
