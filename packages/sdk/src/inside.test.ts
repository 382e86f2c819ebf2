import { expect, test } from 'vitest'
import { WrennAgentError, WrennConflictError } from './index.js'
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
    { type: 'start', id: 'exec-1', pid: 7, offset: 0 },
    { type: 'stdout', data: 'é', encoding: 'utf-8', offset: 2 },
    { type: 'stderr', data: '/w==', encoding: 'base64', offset: 3 },
    { type: 'exit', exit_code: 1, duration_ms: 2 },
  )
  const events = []
  for await (const event of commands.stream('x')) events.push(event)
  expect(events).toEqual([
    { type: 'start', id: 'exec-1', pid: 7, offset: 0 },
    { type: 'stdout', data: new Uint8Array([0xc3, 0xa9]), offset: 2 },
    { type: 'stderr', data: new Uint8Array([0xff]), offset: 3 },
    { type: 'exit', exitCode: 1, durationMs: 2 },
  ])
  expect(api.seen.at(-1)!.headers.accept).toBe('application/x-ndjson')
  api.replies = lines(
    { type: 'start', id: 'exec-1', pid: 7, offset: 0 },
    { type: 'error', code: 'agent_error', message: 'timed out' },
  )
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

test('a file exists when there is something to be told of it', async () => {
  const { files } = await api.capsule()
  api.replies = [{ json: { entry: { name: 'a' } } }, failure(404, 'not_found'), failure(502, 'agent_error')]
  expect([await files.exists('/x/a'), await files.exists('/x/b')]).toEqual([true, false])
  expect(api.lastJson()).toEqual({ path: '/x/b' })
  await expect(files.exists('/x/c')).rejects.toBeInstanceOf(WrennAgentError)
})

test('a file is moved, and not onto another unless that is wanted', async () => {
  const { files } = await api.capsule()
  api.replies = [{ json: { entry: { name: 'b' } } }, failure(409, 'conflict')]
  expect(await files.move('/x/a', '/x/b')).toEqual({ name: 'b' })
  expect(api.lastJson()).toEqual({ from: '/x/a', to: '/x/b', overwrite: false })
  await expect(files.move('/x/a', '/x/b', { overwrite: true })).rejects.toBeInstanceOf(WrennConflictError)
  expect(api.lastJson()).toMatchObject({ overwrite: true })
})

test('changes are told as they happen, and after a lost connection that some were missed', async () => {
  const { files } = await api.capsule()
  api.replies = [
    { text: '\n{"type":"created","path":"/x/a"}\n\n{"type":"mod', then: 'cut' },
    { text: '{"type":"moved","path":"/x/b","from":"/x/a"}\n', then: 'open' },
  ]
  const changes = []
  for await (const change of files.watch('/x', { recursive: true })) {
    changes.push(change)
    if (change.type === 'moved') break
  }
  expect(changes).toEqual([
    { type: 'created', path: '/x/a' },
    { type: 'overflow' },
    { type: 'moved', path: '/x/b', from: '/x/a' },
  ])
  expect(api.lastJson()).toEqual({ path: '/x', recursive: true })
})

test('archives go through as streams', async () => {
  const { files } = await api.capsule()
  api.replies = [{ text: 'a tar' }]
  expect(await new Response(await files.readTar('/x')).text()).toBe('a tar')
  expect(api.lastJson()).toEqual({ path: '/x' })
  api.replies = [{ status: 204 }]
  await files.writeTar('/x y', new Blob(['another']).stream())
  expect(api.seen.at(-1)).toMatchObject({
    url: '/api/v1/capsules/cl-1/files/tar/write?path=%2Fx+y',
    body: 'another',
    headers: { 'content-type': 'application/x-tar' },
  })
})
