/** Every method of the published Python package, one by one, sync and async, in its newest version and its oldest. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { python, pythonSdk } from '../support/python.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
beforeAll(async () => {
  wrenn = await startVm()
})
afterAll(() => wrenn.end())

/** What `methods.py` says of each method. */
async function outcomes(path: string, env: Record<string, string>): Promise<Record<string, string>> {
  const code = await readFile(new URL('python/methods.py', import.meta.url), 'utf8')
  const { port } = new URL(wrenn.url)
  // By name: ports of capsules are names below that of the server.
  const where = { WRENN_API_KEY: wrenn.key, WRENN_BASE_URL: `http://localhost:${port}/api` }
  const lines = (await python(code, { PYTHONPATH: path, ...where, ...env })).trim().split('\n')
  return Object.fromEntries(lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]))
}

const all = [undefined, '0.1.0'].flatMap((version) => ['sync', 'async'].map((mode) => [version, mode] as const))

describe.each(all)(
  'the Python SDK %s, %s',
  (version, mode) => {
    test('works method by method', async ({ skip }) => {
      const sdk = await pythonSdk(version)
      if ('missing' in sdk) return skip(sdk.missing)
      const seen = await outcomes(sdk.path, { MODE: mode })
      const wrong = Object.entries(seen).filter(([, outcome]) => outcome !== 'ok' && outcome !== 'absent')
      expect(wrong).toEqual([])
      expect(Object.keys(seen).length).toBeGreaterThan(40)
      if (version === undefined) expect(Object.values(seen)).not.toContain('absent')
    })
  },
  900_000,
)
