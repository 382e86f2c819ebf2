/** Everything that has to be there before Wrenn runs; quick when it is. Uses nothing but Node.js. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './packages.mjs'
import { has, root, run } from './run.mjs'
import { Advice, runSteps } from './steps.mjs'

const OLDEST_NODE = [20, 19]

/** The target that the agent is built for; its binary lies below `agent/target/<target>/release`. */
export const agentTarget = 'x86_64-unknown-linux-gnu'
export const agentBinary = join(root, 'agent/target', agentTarget, 'release/wrenn-agent')

export async function setUp() {
  checkMachine()
  await runSteps([
    { title: 'npm packages', run: npmPackages },
    { title: 'System packages', run: installPackages },
    { title: 'Guest agent', run: buildAgent },
    { title: 'Wrenn itself', run: (tell) => run('npx', ['tsc', '-b'], { tell }) },
  ])
}

function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new Advice(`Node.js ${process.versions.node} is too old: Wrenn needs ${OLDEST_NODE.join('.')} or newer.`)
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Advice(`Wrenn runs on Linux on x86-64 machines; this is ${process.platform} on ${process.arch}.`)
  }
}

async function npmPackages(tell) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules/.wrenn-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return 'all there'
  await run('npm', ['ci', '--no-audit', '--no-fund'], { tell })
  writeFileSync(stamp, lock)
}

async function buildAgent(tell) {
  if (process.env.WRENN_AGENT) return `using ${process.env.WRENN_AGENT}`
  if (!has('cargo')) {
    throw new Advice(
      'The guest agent is built with Rust, and there is no cargo here. Install Rust 1.85 or newer (https://rustup.rs), or let WRENN_AGENT name a ready agent binary.',
    )
  }
  await run('cargo', ['build', '--release', '--locked', '--target', agentTarget], { tell, cwd: join(root, 'agent') })
}
