/** `npm run doctor`: looks at this machine and the server's data, and says what is wrong and what helps. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { env, root, show } from './lib/run.mjs'
import { agentBinary } from './lib/setup.mjs'
import { Advice, runMain } from './lib/steps.mjs'

const main = join(root, 'packages/cli/dist/main.js')

await runMain(async () => {
  if (!existsSync(main)) throw new Advice('Wrenn is not built yet: npm run setup does that, and says what is missing.')
  return show(process.execPath, [main, 'doctor', ...process.argv.slice(2)], {
    env: { WRENN_AGENT: agentBinary, ...env },
    cwd: process.cwd(),
  })
})
