import { expect, test, vi } from 'vitest'
import { WrennAgentError, WrennValidationError, type Result } from './index.js'
import { resultOf } from './code-results.js'
import { scripted } from './testing/scripted.js'

const api = scripted()

const event = (one: object) => `${JSON.stringify(one)}\n`
const exit = (code: number) => event({ type: 'exit', exit_code: code, duration_ms: 1 })
const start = event({ type: 'start', id: 'exec-0123456789abcdef', pid: 7, offset: 0 })
const out = (data: string) => event({ type: 'stdout', data, encoding: 'utf-8', offset: 0 })
const raw = (data: Uint8Array) =>
  event({ type: 'stdout', data: Buffer.from(data).toString('base64'), encoding: 'base64', offset: 0 })
/** What the runner in the capsule says, in one piece. */
const says = (...lines: object[]) => [{ text: start + out(lines.map(event).join('')) + exit(0) }]
const end = { type: 'end', execution_count: 3, timed_out: false }

test('a cell is asked for by a program in the capsule', async () => {
  const capsule = await api.capsule()
  api.replies = says(end)
  await capsule.runCode('print("é")', { timeoutSec: 5, kernel: 'python3' })
  const { cmd, args, timeout_sec } = api.lastJson() as { cmd: string; args: string[]; timeout_sec: number }
  expect([cmd, args.at(-1)]).toEqual(['curl', 'http://127.0.0.1:8888/wrenn/run'])
  expect(timeout_sec).toBeGreaterThan(5)
  const asked = Buffer.from(args.at(-2)!, 'latin1').toString()
  expect(JSON.parse(asked)).toEqual({ code: 'print("é")', kernel: 'python3', timeout_sec: 5 })
})

test('what it prints and shows is gathered, and told as it comes', async () => {
  const capsule = await api.capsule()
  api.replies = says(
    { type: 'stdout', text: 'a\n' },
    { type: 'stderr', text: 'b' },
    { type: 'result', main: false, data: { 'image/png': 'aWdn', 'text/plain': '<Figure>' } },
    { type: 'stdout', text: 'c' },
    { type: 'result', main: true, data: { 'text/plain': '42', 'text/html': '<b>42</b>' } },
    end,
  )
  const told: unknown[] = []
  const execution = await capsule.runCode('x', {
    onStdout: (text) => told.push(text),
    onStderr: (text) => told.push(text),
    onResult: ({ text }) => told.push(text),
  })
  const results: Result[] = [
    { png: 'aWdn', text: '<Figure>', isMainResult: false },
    { text: '42', html: '<b>42</b>', isMainResult: true },
  ]
  expect(execution).toEqual({
    results,
    logs: { stdout: ['a\n', 'c'], stderr: ['b'] },
    executionCount: 3,
    text: '42',
    timedOut: false,
  })
  expect(told).toEqual(['a\n', 'b', '<Figure>', 'c', '42'])
})

test('an exception of the cell is a part of the execution', async () => {
  const capsule = await api.capsule()
  const error = { name: 'ValueError', value: 'bad', traceback: 'Traceback\nValueError: bad' }
  api.replies = says({ type: 'error', ...error }, { ...end, timed_out: true })
  const onError = vi.fn()
  expect(await capsule.runCode('x', { onError })).toMatchObject({ error, results: [], timedOut: true })
  expect(onError).toHaveBeenCalledExactlyOnceWith(error)
})

test('pieces may cut through lines and characters', async () => {
  const capsule = await api.capsule()
  const bytes = Buffer.from(event({ type: 'stdout', text: 'é…' }) + event(end))
  const cut = bytes.indexOf(0xa9)
  api.replies = [{ text: start + raw(bytes.subarray(0, cut)) + raw(bytes.subarray(cut)) + exit(0) }]
  expect((await capsule.runCode('x')).logs.stdout).toEqual(['é…'])
})

test('a long cell goes by way of a file, which is removed', async () => {
  const capsule = await api.capsule()
  api.replies = [{ status: 204 }, ...says(end), { status: 204 }]
  await capsule.runCode('#'.repeat(200_000))
  const [write, exec, remove] = api.seen.slice(1)
  const path = /\/tmp\/wrenn-cell-[-0-9a-f]+\.json/.exec(write!.body)![0]
  expect(write!.body).toContain('#'.repeat(200_000))
  expect((JSON.parse(exec!.body) as { args: string[] }).args).toContain(`@${path}`)
  expect([remove!.url, JSON.parse(remove!.body)]).toEqual([expect.stringContaining('/files/remove'), { path }])
})

test('a capsule without a code runner says what to do; an unknown kernel is a wrong value', async () => {
  const capsule = await api.capsule()
  api.replies = [{ text: start + exit(7) }]
  await expect(capsule.runCode('x')).rejects.toMatchObject({
    constructor: WrennAgentError,
    hint: expect.stringContaining('code-runner-beta') as unknown,
  })
  api.replies = says({ type: 'refused', message: 'There is no kernel "r".' })
  await expect(capsule.runCode('x', { kernel: 'r' })).rejects.toBeInstanceOf(WrennValidationError)
})

test('an answer that ends too early is an error', async () => {
  const capsule = await api.capsule()
  api.replies = says({ type: 'stdout', text: 'a' })
  await expect(capsule.runCode('x')).rejects.toBeInstanceOf(WrennAgentError)
})

test('forms without a name of their own are kept', () => {
  const bundle = { 'application/json': { a: 1 }, 'application/x-own': 'own', constructor: 'odd' }
  expect(resultOf(bundle, false)).toEqual({
    json: { a: 1 },
    extra: { 'application/x-own': 'own', constructor: 'odd' },
    isMainResult: false,
  })
})
