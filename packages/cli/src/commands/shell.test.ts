import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { capsuleBody } from '../testing/bodies.js'
import { refusal, scripted, type Scripted } from '../testing/scripted.js'
import { fakeTerminal } from '../testing/terminal.js'

const api = scripted()
const program = '/v1/capsules/cl-1/processes/exec-1'
const started = { status: 202, json: { sandbox_id: 'cl-1', id: 'exec-1', cmd: 'sh', pid: 7, tag: 'pty-1' } }
const start = { type: 'start', id: 'exec-1', pid: 7, tag: 'pty-1', offset: 0 }
const out = (data: string, offset: number) => ({ type: 'stdout', data, encoding: 'utf-8', offset })
const exit = (code: number) => ({ type: 'exit', exit_code: code, duration_ms: 1 })
const line = (event: object) => `${JSON.stringify(event)}\n`

/** A shell that answers what is typed with its end, or with nothing. */
function shell(more: Scripted['script'] = {}) {
  let output: ServerResponse | undefined
  const typed: string[] = []
  api.script = {
    'GET /v1/capsules/cl-1': { json: capsuleBody() },
    'POST /v1/capsules/cl-1/exec': started,
    [`GET ${program}/output?from=0`]: (response) => {
      output = response
      response.writeHead(200)
      response.write(line(start) + line(out('$ ', 2)))
      return undefined
    },
    [`POST ${program}/stdin`]: () => {
      typed.push(api.asked.at(-1)!.body.toString())
      if (typed.join('').includes('exit\r')) output!.end(line(exit(3)))
      return { status: 204 }
    },
    ...more,
  }
  return { typed, output: () => output! }
}

test('a shell shows what is printed, sends what is typed and ends with its exit code', async () => {
  const { typed } = shell()
  const terminal = fakeTerminal()
  const running = api.wrenn(['shell', 'cl-1', '-e', 'A=b', '--cwd', '/x'], {
    terminal,
    env: { ...api.env(), TERM: 'vt220' },
  })
  await terminal.shows('$ ')
  expect(terminal.isRaw).toBe(true)
  for (const key of 'exit\r') terminal.input.write(key)
  expect(await running).toEqual({ code: 3, out: '', err: '' })
  expect(typed.join('')).toBe('exit\r')
  expect([terminal.isRaw, terminal.times, terminal.input.listenerCount('data')]).toEqual([false, 1, 0])
  expect(api.asked.find(({ call }) => call.endsWith('/exec'))!.json).toMatchObject({
    cmd: '/bin/sh',
    background: true,
    pty: { cols: 100, rows: 30 },
    envs: { TERM: 'vt220', A: 'b' },
    cwd: '/x',
  })
})

test('a program of its own is run in it, with its own options', async () => {
  shell({ [`GET ${program}/output?from=0`]: { lines: [start, exit(-1)] } })
  const { code } = await api.wrenn(['shell', 'cl-1', '--tag', 't', '--', 'top', '-d', '1'], {
    terminal: fakeTerminal(),
  })
  expect(code).toBe(255)
  expect(api.asked[1]!.json).toMatchObject({ cmd: 'top', args: ['-d', '1'], tag: 't' })
})

test('Enter ~ . leaves it, and it is said how to come back', async () => {
  const { typed } = shell()
  const terminal = fakeTerminal()
  const running = api.wrenn(['shell', 'cl-1'], { terminal })
  await terminal.shows('$ ')
  terminal.input.write('ls\r~.')
  expect(await running).toEqual({
    code: 0,
    out: '',
    err: '\nIt goes on. Come back with: wrenn shell cl-1 --attach pty-1\n',
  })
  expect([typed, terminal.isRaw]).toEqual([['ls\r'], false])
  expect(api.calls().some((call) => call.startsWith('DELETE'))).toBe(false)
})

test('a program that takes no keys can be left too', async () => {
  let isClosed: Promise<unknown> = Promise.resolve()
  shell({
    [`POST ${program}/stdin`]: (response) => {
      isClosed = once(response, 'close')
      return undefined
    },
  })
  const terminal = fakeTerminal()
  const running = api.wrenn(['shell', 'cl-1'], { terminal })
  await terminal.shows('$ ')
  terminal.input.write('ls\r~.')
  expect(await running).toMatchObject({ code: 0, err: expect.stringContaining('--attach pty-1') })
  await isClosed
})

test('a new size is passed on, the last of many', async () => {
  let resized = () => {}
  const isResized = new Promise<void>((resolve) => (resized = resolve))
  const sizes: unknown[] = []
  shell({
    [`POST ${program}/resize`]: () => {
      sizes.push(api.asked.at(-1)!.json)
      if (sizes.length === 2) resized()
      return { status: 204 }
    },
  })
  const terminal = fakeTerminal()
  const running = api.wrenn(['shell', 'cl-1'], { terminal })
  await terminal.shows('$ ')
  for (const cols of [90, 91, 92]) terminal.resizeTo({ cols, rows: 20 })
  await isResized
  terminal.input.write('exit\r')
  await running
  expect(sizes).toEqual([
    { cols: 90, rows: 20 },
    { cols: 92, rows: 20 },
  ])
})

test('one that was left is taken up again, and made as large as this terminal', async () => {
  shell({
    'GET /v1/capsules/cl-1/processes/pty-1/output?tail=0': { lines: [start], open: true },
    [`GET ${program}/output?tail=16384`]: { lines: [start, out('before', 6), exit(0)] },
    [`POST ${program}/resize`]: { status: 204 },
  })
  const terminal = fakeTerminal()
  expect(await api.wrenn(['shell', 'cl-1', '--attach', 'pty-1'], { terminal })).toMatchObject({ code: 0, err: '' })
  expect(terminal.shown()).toContain('before')
  expect(api.asked.find(({ call }) => call.endsWith('/resize'))!.json).toEqual({ cols: 100, rows: 30 })
})

test('when this program is to end, the terminal is put back and it is said how to come back', async () => {
  shell()
  const terminal = fakeTerminal()
  const interrupted = new AbortController()
  const running = api.wrenn(['shell', 'cl-1'], { terminal, signal: interrupted.signal })
  await terminal.shows('$ ')
  interrupted.abort(new Error('Interrupted.'))
  const { code, err } = await running
  expect([code, terminal.isRaw]).toEqual([1, false])
  expect(err).toMatch(/--attach pty-1\nerror: Interrupted\.\n$/)
})

test('a failure puts the terminal back, and does not promise what is not there', async () => {
  const { output } = shell()
  const terminal = fakeTerminal()
  const running = api.wrenn(['shell', 'cl-1'], { terminal })
  await terminal.shows('$ ')
  output().end(line({ type: 'error', code: 'agent_error', message: 'The agent is gone.' }))
  expect(await running).toEqual({ code: 1, out: '', err: 'error: The agent is gone. (agent_error)\n' })
  expect(terminal.isRaw).toBe(false)
  shell({ 'POST /v1/capsules/cl-1/exec': refusal(409, 'invalid_state', 'The capsule is paused.') })
  const other = fakeTerminal()
  expect((await api.wrenn(['shell', 'cl-1'], { terminal: other })).code).toBe(1)
  expect(other.times).toBe(0)
})

test('without a terminal it says so', async () => {
  const { code, err } = await api.wrenn(['shell', 'cl-1'])
  expect([code, err]).toEqual([2, expect.stringContaining('wants a terminal')])
  expect(api.asked).toEqual([])
})
