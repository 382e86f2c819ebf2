/** `npm run setup`: installs and builds all that Wrenn needs. */
import { setUp } from './lib/setup.mjs'
import { runMain } from './lib/steps.mjs'

await runMain(setUp)
