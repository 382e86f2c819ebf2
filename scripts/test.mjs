/** `npm test`: sets everything up and runs every check. */
import { join } from 'node:path'
import { collect, env, pass, root, show } from './lib/run.mjs'
import { agentBinary, agentTarget, setUp } from './lib/setup.mjs'
import { runMain } from './lib/steps.mjs'

const agent = join(root, 'agent')
const vitest = (...projects) => ['npx', ['vitest', 'run', ...projects.flatMap((project) => ['--project', project])]]

const unitTests = ['Unit, architecture and end-to-end tests', ...vitest('unit', 'architecture', 'e2e')]

/** Each mostly keeps one processor busy, and the tests above wait for much: together they take little longer. */
const beside = [
  ['Types', 'npx', ['tsc', '-p', 'tsconfig.tests.json']],
  ['Lint', 'npm', ['run', '--silent', 'lint']],
  ['Agent: format', 'cargo', ['fmt', '--check'], { cwd: agent }],
  [
    'Agent: lint',
    'cargo',
    ['clippy', '--locked', '--all-targets', '--target', agentTarget, '--', '-D', 'warnings'],
    { cwd: agent },
  ],
  ['Agent: tests', 'cargo', ['test', '--locked', '--target', agentTarget], { cwd: agent }],
  ['Fuzzing of the API', ...vitest('fuzz')],
]

/** By themselves: machines that boot under emulation take it ill when others take their time. */
const vmTests = ['Tests on real virtual machines', ...vitest('vm')]

/** How many lines of a check that failed are shown again at the end. */
const SHOWN_AGAIN = 150

/** Does a check whose output is shown as it comes, or else, beside another, when it has ended. */
async function check([title, program, args, options], isBeside = false) {
  const given = { env: { WRENN_AGENT: agentBinary, ...env }, ...options }
  if (!isBeside) console.log(`\n── ${title}`)
  const began = performance.now()
  const { code, tail } = isBeside
    ? await collect(program, args, given)
    : process.stdout.isTTY
      ? { code: await show(program, args, given), tail: [] }
      : await pass(program, args, { ...given, keep: SHOWN_AGAIN })
  if (isBeside) console.log(['', `── ${title}`, ...tail].join('\n'))
  console.log(`── ${title}: ${code === 0 ? 'passed' : 'FAILED'} (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  return { title, code, tail: tail.slice(-SHOWN_AGAIN) }
}

async function allBeside() {
  const results = []
  for (const one of beside) results.push(await check(one, true))
  return results
}

await runMain(async () => {
  await setUp()
  const [unit, others] = await Promise.all([check(unitTests), allBeside()])
  const results = [unit, ...others, await check(vmTests)]
  const failed = results.filter(({ code }) => code !== 0)
  for (const { title, tail } of failed) console.log(['', `── ${title}: what it ended with`, ...tail].join('\n'))
  const titles = failed.map(({ title }) => title)
  console.log(
    `\n${failed.length > 0 ? `Failed: ${titles.join(', ')}\n` : ''}${results.length - failed.length} passed, ${failed.length} failed`,
  )
  return failed.length > 0 ? 1 : 0
})
