/** `npm start`: sets everything up and runs the server. */
import { join } from 'node:path'
import { env, root, show } from './lib/run.mjs'
import { agentBinary, setUp } from './lib/setup.mjs'
import { runMain } from './lib/steps.mjs'

// What passes through the server is gone at once: a small space for it keeps the process small (150 MB instead of 210 while
// files go through), at the same speed.
const smallHeap = '--max-semi-space-size=2'

await runMain(async () => {
  await setUp()
  return show(process.execPath, [smallHeap, join(root, 'packages/cli/dist/main.js'), 'up'], {
    env: { WRENN_AGENT: agentBinary, ...env },
    cwd: process.cwd(),
  })
})
