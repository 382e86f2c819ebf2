import { expect, test } from 'vitest'
import { WrennAgentError, WrennConnectionError, WrennInternalError, type CommandEvent } from './index.js'
import { failure, scripted, type Reply } from './testing/scripted.js'

const api = scripted()
const exec = 'POST /api/v1/capsules/cl-1/exec'
const program = '/api/v1/capsules/cl-1/processes/exec-1'
const start = (offset = 0, more = {}) => ({ type: 'start', id: 'exec-1', pid: 7, tag: 't', offset, ...more })
const out = (data: string, offset: number) => ({ type: 'stdout', data, encoding: 'utf-8', offset })
const exit = { type: 'exit', exit_code: 3, duration_ms: 9 }
const lines = (events: object[], then?: 'cut' | 'open'): Reply => ({
  text: events.map((event) => JSON.stringify(event) + '\n').join(''),
  ...(then ? { then } : {}),
})
const calls = () => api.seen.slice(1).map(({ method, url }) => `${method} ${url}`)

async function textOf(events: AsyncIterable<CommandEvent>): Promise<string> {
  let text = ''
  for await (const event of events) {
    if (event.type === 'stdout') text += new TextDecoder().decode(event.data)
    else text += `<${event.type}>`
  }
  return text
}

test('a stream whose connection is lost goes on from where it was, as often as that happens', async () => {
  const { commands } = await api.capsule()
  api.replies = [
    lines([start(), out('é', 2)], 'cut'),
    'cut',
    lines([start(2), out('bc', 4)]),
    { text: '\n{"type":"st', then: 'cut' },
    lines([start(4), out('d', 5), exit]),
  ]
  expect(await textOf(commands.stream('x'))).toBe('<start>ébcd<exit>')
  expect(calls()).toEqual([exec, ...[2, 2, 4, 4].map((from) => `GET ${program}/output?from=${from}`)])
  expect(JSON.parse(api.seen[1]!.body)).toMatchObject({ on_disconnect: 'keep', timeout_sec: 30 })
})

test('a program that may run for long is not waited for in silence', async () => {
  const { commands } = await api.capsule()
  const euro = [out('4oI=', 2), out('rA==', 3)].map((one) => ({ ...one, encoding: 'base64' }))
  api.replies = [lines([start(), euro[0]!], 'cut'), lines([start(2), euro[1]!, exit])]
  expect(await commands.run('make', { timeoutSec: 3600 })).toEqual({
    stdout: '€',
    stderr: '',
    exitCode: 3,
    durationMs: 9,
  })
  expect(JSON.parse(api.seen[1]!.body)).toMatchObject({ timeout_sec: 3600 })
})

test('what was lost between two connections is said', async () => {
  const { commands } = await api.capsule()
  api.replies = [lines([start(), out('a', 1)], 'cut'), lines([start(9, { dropped: true }), out('b', 10), exit])]
  expect(await textOf(commands.stream('x'))).toBe('<start>a<dropped>b<exit>')
})

test('a program whose start was not seen is not started twice', async () => {
  const { commands } = await api.capsule()
  api.replies = ['cut']
  await expect(textOf(commands.stream('x'))).rejects.toBeInstanceOf(WrennConnectionError)
  api.replies = [{ text: '', then: 'cut' }]
  await expect(textOf(commands.stream('x'))).rejects.toBeInstanceOf(WrennConnectionError)
  expect(calls()).toEqual([exec, exec])
})

test('an error of the API is not tried again, and the program is ended', async () => {
  const { commands } = await api.capsule()
  api.replies = [lines([start()], 'cut'), failure(500, 'internal_error'), { status: 204 }]
  await expect(textOf(commands.stream('x'))).rejects.toBeInstanceOf(WrennInternalError)
  expect(calls()).toEqual([exec, `GET ${program}/output?from=0`, `DELETE ${program}?signal=SIGKILL`])
  api.replies = [lines([start(), { type: 'error', code: 'agent_error', message: 'timed out' }]), { status: 204 }]
  await expect(textOf(commands.stream('x'))).rejects.toBeInstanceOf(WrennAgentError)
})

test.each([
  ['kill', [exec, `DELETE ${program}?signal=SIGKILL`]],
  ['keep', [exec]],
] as const)('leaving the loop early: %s', async (onDisconnect, asked) => {
  const { commands } = await api.capsule()
  api.replies = [lines([start(), out('a', 1)], 'open'), { status: 204 }]
  for await (const event of commands.stream('x', { onDisconnect })) if (event.type === 'stdout') break
  expect(calls()).toEqual(asked)
})

test('aborting ends the program, also one that is only being started', async () => {
  const { commands } = await api.capsule()
  api.replies = [lines([start()], 'open'), { status: 204 }]
  const aborted = new AbortController()
  const reading = (async () => {
    for await (const _ of commands.stream('x', { signal: aborted.signal })) aborted.abort(new Error('enough'))
  })()
  await expect(reading).rejects.toThrow('enough')
  expect(calls()).toEqual([exec, `DELETE ${program}?signal=SIGKILL`])

  const early = new AbortController()
  const ended = new Promise<void>((resolve) => {
    api.answer = (call, response) => {
      if (call === exec) {
        early.abort(new Error('too early'))
        response.writeHead(200)
        response.write(JSON.stringify(start()) + '\n')
        return 'never'
      }
      resolve()
      return { status: 204 }
    }
  })
  await expect(textOf(commands.stream('x', { signal: early.signal }))).rejects.toThrow('too early')
  await ended
  expect(calls().slice(2)).toEqual([exec, `DELETE ${program}?signal=SIGKILL`])
})

test('a program is given what it reads, and its stdin is closed behind that', async () => {
  const { commands } = await api.capsule()
  api.answer = (call, response) => {
    if (call === exec) {
      response.writeHead(200)
      response.write(JSON.stringify(start()) + '\n')
      release = () => void response.end(JSON.stringify(exit) + '\n')
      return 'never'
    }
    if (call.endsWith('/end')) release()
    return { status: 204 }
  }
  let release = () => {}
  const input = (async function* () {
    yield 'é'
    yield new Uint8Array(300 * 1024)
  })()
  expect(await textOf(commands.stream('x', { stdin: input }))).toBe('<start><exit>')
  expect(calls().slice(1)).toEqual([...Array<string>(3).fill(`POST ${program}/stdin`), `POST ${program}/stdin/end`])
  expect(api.seen.slice(2).map(({ body }) => body.length)).toEqual([2, 256 * 1024, 44 * 1024, 0])
  expect(JSON.parse(api.seen[1]!.body)).toMatchObject({ stdin: true })
})

test('an input that fails ends the program; a program that reads no more does not fail', async () => {
  const { commands } = await api.capsule()
  api.answer = (call) => (call === exec ? lines([start()], 'open') : { status: 204 })
  const failing = (async function* () {
    yield 'a'
    throw new Error('no more input')
  })()
  await expect(textOf(commands.stream('x', { stdin: failing }))).rejects.toThrow('no more input')
  expect(calls().at(-1)).toBe(`DELETE ${program}?signal=SIGKILL`)

  let refused = () => {}
  const wasRefused = new Promise<void>((resolve) => (refused = resolve))
  api.answer = (call, response) => {
    if (call === exec) {
      response.writeHead(200)
      response.write(JSON.stringify(start()) + '\n')
      void wasRefused.then(() => response.end(JSON.stringify(exit) + '\n'))
      return 'never'
    }
    response.on('finish', refused)
    return failure(409, 'conflict')
  }
  expect(await textOf(commands.stream('x', { stdin: 'a' }))).toBe('<start><exit>')
})

test('whoever reads slowly is not sent more than fits in between', async () => {
  const { commands } = await api.capsule()
  const line = JSON.stringify(out('x'.repeat(64 * 1024), 1)) + '\n'
  let sent = 0
  api.answer = (call, response) => {
    if (call !== exec) return { status: 204 }
    response.writeHead(200)
    response.write(JSON.stringify(start()) + '\n')
    const fill = () => {
      while (sent < 256 * 2 ** 20) {
        sent += line.length
        if (!response.write(line)) return void response.once('drain', fill)
      }
    }
    fill()
    return 'never'
  }
  for await (const event of commands.stream('x')) {
    if (event.type !== 'stdout') continue
    // What is sent settles while nobody reads: other requests go through in the meantime.
    for (let before = -1; before !== sent;) {
      before = sent
      for (let turn = 0; turn < 20; turn++) await commands.kill('other')
    }
    break
  }
  expect(sent).toBeLessThan(64 * 2 ** 20)
})
