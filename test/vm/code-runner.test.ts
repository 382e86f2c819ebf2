/** Cells of code in the template `code-runner-beta`: by our SDK, and by the published Python one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Wrenn, type Capsule } from 'wrenn'
import { codeRunner, python, pythonSdk } from '../support/python.js'
import { makeTemplates, startVm, type VmRunning } from '../support/vm.js'

const TEMPLATE = 'code-runner-beta'
const templates = ['minimal', 'base-python', TEMPLATE]
/** The first eight bytes of every PNG. */
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
const say = (text: string) => process.stdout.write(`  [code runner] ${text}\n`)

let wrenn: VmRunning
let client: Wrenn
beforeAll(async () => {
  await makeTemplates(say, templates)
  wrenn = await startVm(undefined, undefined, templates)
  client = new Wrenn({ baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key })
})
afterAll(() => wrenn?.end())

const create = () => client.capsules.create({ template: TEMPLATE })

test('the first cell finds a kernel that runs already; variables stay, and are seen by nobody else', async () => {
  await using capsule = await create()
  const begun = performance.now()
  const first = await capsule.runCode('x = 41\nx + 1')
  const firstMs = performance.now() - begun
  expect(first).toEqual({
    results: [{ text: '42', isMainResult: true }],
    logs: { stdout: [], stderr: [] },
    executionCount: 1,
    text: '42',
    timedOut: false,
  })
  const again = performance.now()
  expect((await capsule.runCode('x')).text).toBe('41')
  say(`first cell ${Math.round(firstMs)} ms, second ${Math.round(performance.now() - again)} ms`)
  const { stdout } = await capsule.commands.run(
    "awk '/MemAvailable/ {print $2}' /proc/meminfo; pgrep -fc '[i]pykernel'",
  )
  const [availableKb, kernels] = stdout.trim().split('\n').map(Number)
  say(`${Math.round(availableKb! / 1024)} MiB are available`)
  expect(kernels).toBe(1)
  expect(availableKb).toBeGreaterThan(128 * 1024)
})

test('what a cell shows comes in the forms that it has, and what it prints as it prints it', async () => {
  await using capsule = await create()
  const plot = await capsule.runCode('import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()')
  const png = plot.results.find((result) => result.png)!.png!
  expect([...Buffer.from(png, 'base64').subarray(0, 8)]).toEqual(PNG)
  const table = await capsule.runCode('import pandas as pd\npd.DataFrame({"name": ["a"], "n": [1]})')
  expect(table.results[0]).toMatchObject({
    isMainResult: true,
    html: expect.stringContaining('<th>name</th>') as unknown,
  })
  const printed: string[] = []
  const cell = 'import sys\nprint("out ä")\nprint("err", file=sys.stderr)\nraise ValueError("bad")'
  const failed = await capsule.runCode(cell, {
    onStdout: (text) => printed.push(`out: ${text}`),
    onStderr: (text) => printed.push(`err: ${text}`),
    onError: ({ name }) => printed.push(name),
  })
  expect(printed.sort()).toEqual(['ValueError', 'err: err\n', 'out: out ä\n'])
  expect(failed.error).toMatchObject({ name: 'ValueError', value: 'bad' })
  expect(failed.error!.traceback).toContain('line 4')
})

test('a cell that takes too long, or whose caller goes away, is interrupted; the kernel lives on', async () => {
  await using capsule = await create()
  const slow = 'import time\nn = 0\nwhile True:\n    n += 1\n    time.sleep(0.05)'
  const late = await capsule.runCode(slow, { timeoutSec: 1 })
  expect(late).toMatchObject({ timedOut: true, error: { name: 'Timeout' } })
  const leaving = new AbortController()
  const left = capsule.runCode(`print("on", flush=True)\n${slow}`, {
    signal: leaving.signal,
    onStdout: () => leaving.abort(new Error('enough')),
  })
  await expect(left).rejects.toThrow()
  expect((await capsule.runCode('n > 0')).text).toBe('True')
  expect((await capsule.runCode(`"${'x'.repeat(200_000)}".count("x")`)).text).toBe('200000')
})

test('captures and forks keep the kernel and what is in it; two new capsules draw different numbers', async () => {
  await using source = await create()
  await source.runCode('import random\nstate = {"n": 7}')
  const forks = await source.fork(2)
  const value = async (capsule: Capsule, code: string) => (await capsule.runCode(code)).text
  try {
    for (const [i, fork] of forks.entries()) await fork.runCode(`state["n"] += ${i + 1}`)
    expect(await Promise.all([source, ...forks].map((one) => value(one, 'state["n"]')))).toEqual(['7', '8', '9'])
  } finally {
    for (const fork of forks) await fork.destroy()
  }
  await source.createSnapshot({ name: 'with-state', keepSource: true })
  await using clone = await client.capsules.create({ template: 'with-state' })
  expect(await value(clone, 'state')).toBe("{'n': 7}")
  await using other = await create()
  const draw = 'import random, numpy\n[random.random(), numpy.random.rand()]'
  expect(await value(other, draw)).not.toBe(await value(source, draw))
})

test('a capsule without a code runner says so', async () => {
  await using capsule = await client.capsules.create({ template: 'minimal' })
  await expect(capsule.runCode('1')).rejects.toThrow('No code runner')
})

describe.each([undefined, '0.1.0'])('the Python SDK %s', (version) => {
  test('runs cells', async ({ skip }) => {
    const sdk = await pythonSdk(version)
    if ('missing' in sdk) return skip(sdk.missing)
    const url = wrenn.url.replace('127.0.0.1', 'localhost')
    const env = { PYTHONPATH: sdk.path, WRENN_API_KEY: wrenn.key, WRENN_BASE_URL: `${url}/api` }
    const lines = (await python(codeRunner(version ? 'code_interpreter' : 'code_runner'), env)).trim().split('\n')
    expect(lines).toEqual(['42', "['hello\\n']", 'ZeroDivisionError', 'True', 'True', '41'])
  })
})
