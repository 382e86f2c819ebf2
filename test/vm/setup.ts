/** Builds the platform templates once, where every test run finds them again. */
import type { TestProject } from 'vitest/node'
import { makeTemplates } from '../support/vm.js'

export default async function setup(_: TestProject): Promise<void> {
  await makeTemplates((text) => process.stdout.write(`  [vm setup] ${text}\n`))
}
