/** `npm start`: sets everything up and runs the server. */
import { join } from 'node:path'
import { env, root, show } from './lib/run.mjs'
import { agentBinary, setUp } from './lib/setup.mjs'
import { runMain } from './lib/steps.mjs'

await runMain(async () => {
  await setUp()
  return show(process.execPath, [join(root, 'packages/cli/dist/main.js'), 'up'], {
    env: { WRENN_AGENT: agentBinary, ...env },
    cwd: process.cwd(),
  })
})
