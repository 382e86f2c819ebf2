/** `npm test`: sets everything up and runs every check, the quick ones first. */
import { join } from 'node:path'
import { env, pass, root, show } from './lib/run.mjs'
import { agentBinary, agentTarget, setUp } from './lib/setup.mjs'
import { runMain } from './lib/steps.mjs'

const agent = join(root, 'agent')
const vitest = (...projects) => ['npx', ['vitest', 'run', ...projects.flatMap((project) => ['--project', project])]]

const checks = [
  ['Types', 'npx', ['tsc', '-p', 'tsconfig.tests.json']],
  ['Lint', 'npm', ['run', '--silent', 'lint']],
  ['Unit, architecture and end-to-end tests', ...vitest('unit', 'architecture', 'e2e')],
  ['Agent: format', 'cargo', ['fmt', '--check'], { cwd: agent }],
  [
    'Agent: lint',
    'cargo',
    ['clippy', '--locked', '--all-targets', '--target', agentTarget, '--', '-D', 'warnings'],
    { cwd: agent },
  ],
  ['Agent: tests', 'cargo', ['test', '--locked', '--target', agentTarget], { cwd: agent }],
  ['Tests on real virtual machines', ...vitest('vm')],
]

/** How many lines of a check that failed are shown again at the end. */
const SHOWN_AGAIN = 150

async function run(program, args, options) {
  if (process.stdout.isTTY) return { code: await show(program, args, options), tail: [] }
  return pass(program, args, { ...options, keep: SHOWN_AGAIN })
}

await runMain(async () => {
  await setUp()
  const failed = []
  for (const [title, program, args, options] of checks) {
    console.log(`\n── ${title}`)
    const began = performance.now()
    const { code, tail } = await run(program, args, { env: { WRENN_AGENT: agentBinary, ...env }, ...options })
    console.log(
      `── ${title}: ${code === 0 ? 'passed' : 'FAILED'} (${((performance.now() - began) / 1000).toFixed(1)} s)`,
    )
    if (code !== 0) failed.push({ title, tail })
  }
  const passed = checks.length - failed.length
  for (const { title, tail } of failed) console.log(['', `── ${title}: what it ended with`, ...tail].join('\n'))
  const titles = failed.map(({ title }) => title)
  console.log(`\n${failed.length > 0 ? `Failed: ${titles.join(', ')}\n` : ''}${passed} passed, ${failed.length} failed`)
  return failed.length > 0 ? 1 : 0
})
