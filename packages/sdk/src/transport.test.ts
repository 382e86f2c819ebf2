import { expect, test } from 'vitest'
import {
  Wrenn,
  WrennAgentError,
  WrennAuthenticationError,
  WrennConflictError,
  WrennConnectionError,
  WrennError,
  WrennHostUnavailableError,
  WrennNotFoundError,
  WrennTimeoutError,
  WrennValidationError,
} from './index.js'
import { failure, info, scripted, type Reply } from './testing/scripted.js'

const api = scripted()

test.each([
  [400, 'invalid_request', WrennValidationError],
  [401, 'unauthorized', WrennAuthenticationError],
  [404, 'not_found', WrennNotFoundError],
  [409, 'conflict', WrennConflictError],
  [409, 'invalid_state', WrennConflictError],
  [502, 'agent_error', WrennAgentError],
  [507, 'insufficient_storage', WrennError],
])('%i %s is an error of its class, with all that the server said', async (status, code, type) => {
  api.replies = [failure(status, code)]
  const error = await api.client.capsules.create().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(type)
  expect(error).toMatchObject({ status, code, message: 'words', hint: 'do', requestId: 'req-2' })
})

test('an answer that is not from Wrenn still says what came', async () => {
  api.replies = [{ status: 502, text: '<html>bad gateway' }]
  await expect(api.client.capsules.create()).rejects.toMatchObject({
    code: 'http_502',
    message: expect.stringContaining('bad gateway') as string,
  })
})

test('what may be asked twice is tried again, and what may not is not', async () => {
  api.replies = [failure(503, 'host_unavailable'), 'cut', { json: [info] }]
  expect(await api.client.capsules.list()).toHaveLength(1)
  expect(api.seen).toHaveLength(3)
  for (const reply of [failure(503, 'host_unavailable'), 'cut'] as Reply[]) {
    api.seen = []
    api.replies = [reply]
    await expect(api.client.keys.create()).rejects.toBeInstanceOf(WrennError)
    expect(api.seen).toHaveLength(1)
  }
  api.seen = []
  api.replies = [failure(503, 'host_unavailable')]
  await expect(api.client.capsules.list()).rejects.toBeInstanceOf(WrennHostUnavailableError)
  expect(api.seen).toHaveLength(3)
})

test('what makes capsules and templates is tried again under one key, which makes it once', async () => {
  const capsule = await api.capsule()
  const calls: (() => Promise<unknown>)[] = [
    () => api.client.capsules.create(),
    () => capsule.fork(1),
    () => capsule.createSnapshot({ keepSource: true }),
  ]
  const keys: string[] = []
  for (const call of calls) {
    api.seen = []
    api.replies = [failure(503, 'no_hosts_available'), 'cut', { status: 201, json: [info] }]
    await call()
    const sent = api.seen.map(({ headers }) => headers['idempotency-key'] as string)
    expect(sent).toHaveLength(3)
    expect(new Set(sent).size).toBe(1)
    keys.push(sent[0]!)
  }
  expect(new Set(keys).size).toBe(3)
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/)
})

test('with a key of the caller, everything that makes something is tried again', async () => {
  const { commands, files } = await api.capsule()
  const idempotencyKey = 'job-7'
  const calls: (() => Promise<unknown>)[] = [
    () => api.client.capsules.create({ idempotencyKey }),
    () => api.client.keys.create('ci', { idempotencyKey }),
    () => commands.run('true', { idempotencyKey }),
    () => commands.start('true', { idempotencyKey }),
    () => files.makeDir('/x', { idempotencyKey }),
  ]
  for (const call of calls) {
    api.seen = []
    api.replies = ['cut', { json: { ...info, stdout: '', stderr: '' } }]
    await call()
    expect(api.seen.map(({ headers }) => headers['idempotency-key'])).toEqual(['job-7', 'job-7'])
  }
  api.seen = []
  await expect(api.client.keys.create('x', { idempotencyKey: 'né' })).rejects.toBeInstanceOf(WrennValidationError)
  expect(api.seen).toEqual([])
})

test('an answer that breaks off is a lost connection', async () => {
  api.replies = ['torn', { json: info }]
  expect((await api.client.capsules.connect('cl-1')).id).toBe('cl-1')
  api.replies = ['torn']
  await expect(api.client.keys.create()).rejects.toBeInstanceOf(WrennConnectionError)
})

test('a page in place of an answer is shown for what it is', async () => {
  api.replies = [{ text: '<html>welcome' }]
  await expect(api.client.capsules.list()).rejects.toMatchObject({
    code: 'http_200',
    message: expect.stringContaining('<html>welcome') as string,
  })
})

test('no answer, no answer in time, and an abort are told apart', async () => {
  api.replies = ['never']
  const hasty = new Wrenn({ ...api.options, timeoutMs: 30 })
  await expect(hasty.capsules.connect('cl-1')).rejects.toBeInstanceOf(WrennTimeoutError)
  const gone = new Wrenn({ ...api.options, baseUrl: 'http://127.0.0.1:1' })
  await expect(gone.keys.create('x')).rejects.toBeInstanceOf(WrennConnectionError)
  const reason = new Error('mine')
  const abort = new AbortController()
  const asked = api.client.capsules.list({ signal: abort.signal })
  abort.abort(reason)
  await expect(asked).rejects.toBe(reason)
})

test('without a key nothing is sent', async () => {
  const { WRENN_API_KEY: before } = process.env
  delete process.env['WRENN_API_KEY']
  await expect(new Wrenn({ baseUrl: api.options.baseUrl }).capsules.list()).rejects.toBeInstanceOf(WrennValidationError)
  if (before !== undefined) process.env['WRENN_API_KEY'] = before
  expect(api.seen).toEqual([])
})

test('a key is made with what it may do and until when; a text is its name', async () => {
  api.replies = [{ json: info }, { json: info }, { json: info }]
  await api.client.keys.create({ name: 'ci', scope: 'run', expiresIn: 3600 })
  await api.client.keys.create('ci')
  await api.client.keys.create()
  const asked = api.seen.map(({ body }) => JSON.parse(String(body)) as unknown)
  expect(asked).toEqual([{ name: 'ci', scope: 'run', expires_in: 3600 }, { name: 'ci' }, {}])
})
