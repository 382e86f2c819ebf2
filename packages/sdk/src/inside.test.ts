import { expect, test } from 'vitest'
import { WrennAgentError } from './index.js'
import { failure, scripted } from './testing/scripted.js'

const api = scripted()

test('a command line goes through a shell, a program with arguments does not', async () => {
  const { commands } = await api.capsule()
  api.replies = [{ json: { stdout: 'w6k=', stderr: '', exit_code: 3, duration_ms: 5, encoding: 'base64' } }]
  expect(await commands.run('echo $HOME', { timeoutSec: 5, cwd: '/' })).toEqual({
    stdout: 'é',
    stderr: '',
    exitCode: 3,
    durationMs: 5,
  })
  expect(api.lastJson()).toEqual({ cmd: '/bin/sh', args: ['-c', 'echo $HOME'], timeout_sec: 5, cwd: '/' })
  await commands.run({ cmd: 'ls', args: ['-l'] })
  expect(api.lastJson()).toMatchObject({ cmd: 'ls', args: ['-l'], timeout_sec: 30 })
})

test('a stream tells what happens, and ends with the exit or with an error', async () => {
  const { commands } = await api.capsule()
  const lines = (...events: object[]) => [{ text: events.map((event) => JSON.stringify(event) + '\n').join('') }]
  api.replies = lines(
    { type: 'start', pid: 7 },
    { type: 'stdout', data: 'é', encoding: 'utf-8' },
    { type: 'stderr', data: '/w==', encoding: 'base64' },
    { type: 'exit', exit_code: 1, duration_ms: 2 },
  )
  const events = []
  for await (const event of commands.stream('x')) events.push(event)
  expect(events).toEqual([
    { type: 'start', pid: 7 },
    { type: 'stdout', data: new Uint8Array([0xc3, 0xa9]) },
    { type: 'stderr', data: new Uint8Array([0xff]) },
    { type: 'exit', exitCode: 1, durationMs: 2 },
  ])
  expect(api.seen.at(-1)!.headers.accept).toBe('application/x-ndjson')
  api.replies = lines({ type: 'start', pid: 7 }, { type: 'error', code: 'agent_error', message: 'timed out' })
  const failing = async () => {
    for await (const _ of commands.stream('x'));
  }
  await expect(failing()).rejects.toBeInstanceOf(WrennAgentError)
})

test('files are uploaded with the path first, streams without being held', async () => {
  const { files } = await api.capsule()
  api.replies = [{ status: 204 }]
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('from a stream'))
      controller.close()
    },
  })
  for (const [content, text] of [
    ['from text', 'from text'],
    [new TextEncoder().encode('from bytes'), 'from bytes'],
    [new Blob(['from a blob']), 'from a blob'],
    [stream, 'from a stream'],
  ] as const) {
    await files.write('/root/a', content)
    const { body, headers } = api.seen.at(-1)!
    expect(body.indexOf('name="path"')).toBeLessThan(body.indexOf('name="file"'))
    expect(body).toContain(`\r\n\r\n${text}\r\n--`)
    expect(headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
  }
})

test('whether a file exists is looked up in its directory', async () => {
  const { files } = await api.capsule()
  api.replies = [{ json: { entries: [{ name: 'a' }] } }]
  expect([await files.exists('/x/a'), await files.exists('/x/b'), await files.exists('/')]).toEqual([true, false, true])
  expect(api.lastJson()).toEqual({ path: '/x', depth: 1 })
  api.replies = [failure(404, 'not_found')]
  expect(await files.exists('/none/a')).toBe(false)
})
