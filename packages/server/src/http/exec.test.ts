/** Programs, where they print, fail, hang or end as a test wants it. */
import { execEventSchema, Problem, type ExecEvent } from '@wrenn/wire'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import type { Program } from '../testing/memory-guest.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
let id: string
beforeAll(async () => {
  on = await serve()
  api = new Api(on)
  id = (await api.call('createCapsule', { json: {} })).body.id
})
afterAll(() => on.end())
let ended: string
beforeEach(() => (ended = 'no'))

const exit = (exitCode = 0, timedOut = false) => ({ type: 'exit', exitCode, timedOut, durationMs: 5 }) as const
const out = (data: number[] | Uint8Array | string, type: 'stdout' | 'stderr' = 'stdout') => ({
  type,
  data: typeof data === 'string' ? Buffer.from(data) : Uint8Array.from(data),
})

/** Makes `cmd: 'program'` do this; how it ended is noted. */
function program(body: Program): void {
  on.host.programs['program'] = async function* (...given) {
    ended = 'cut off'
    yield* body(...given)
    ended = 'by itself'
  }
  // A generator that is left early runs nothing but its finally blocks: `ended` stays as it was.
}
const exec = (json: object = {}, more: object = {}) =>
  api.call('exec', { params: { id }, json: { cmd: 'program', ...json }, ...more })

async function events(json: object = {}): Promise<ExecEvent[]> {
  const { status, headers, bytes } = await exec(json, { headers: { accept: 'text/html, Application/X-NDJSON;q=0.9' } })
  expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
  const lines = bytes.toString().split('\n')
  expect(lines.pop()).toBe('')
  return lines.map((line) => execEventSchema.parse(JSON.parse(line)))
}

describe('in the foreground', () => {
  test('a program is given what was asked, and its end is the answer', async () => {
    let given: unknown
    program(async function* (spec) {
      given = spec
      yield out('a')
      yield out('b', 'stderr')
      yield out('c')
      yield exit(-1)
    })
    const { status, body } = await exec({ args: ['x'], envs: { A: '' }, cwd: '/tmp', timeout_sec: 7 })
    expect(given).toMatchObject({ cmd: 'program', args: ['x'], envs: { A: '' }, cwd: '/tmp', timeoutMs: 7000 })
    const answer = { sandbox_id: id, cmd: 'program', stdout: 'ac', stderr: 'b', exit_code: -1, duration_ms: 5 }
    expect([status, body]).toEqual([200, { ...answer, id: expect.stringMatching(/^exec-/), encoding: 'utf-8' }])
  })

  test('a character that came in two pieces is whole, and half of one makes both streams base64', async () => {
    program(async function* () {
      yield out([0xc3])
      yield out([0xa9])
      yield exit()
    })
    expect((await exec()).body).toMatchObject({ stdout: 'é', encoding: 'utf-8' })
    program(async function* () {
      yield out('text')
      yield out([0xc3], 'stderr')
      yield exit()
    })
    expect((await exec()).body).toMatchObject({ stdout: 'dGV4dA==', stderr: 'ww==', encoding: 'base64' })
  })

  test('the time limit is an agent error that says so', async () => {
    program(async function* () {
      yield out('much')
      yield exit(-1, true)
    })
    const { status, body } = await exec({ timeout_sec: 3 })
    expect([status, body.error.code]).toEqual([502, 'agent_error'])
    expect(body.error.message).toMatch(/timed out.*3 s/)
  })

  test('sixteen MiB of one stream are answered; one byte more ends the program, with a hint', async () => {
    const most = 16 * 1024 * 1024
    program(async function* () {
      yield out(Buffer.alloc(most, 'a'))
      yield out(Buffer.alloc(most, 'b'), 'stderr')
      yield exit()
    })
    const { body } = await exec()
    expect([body.stdout.length, body.stderr.length]).toEqual([most, most])
    program(async function* () {
      yield out(Buffer.alloc(most + 1))
      yield exit()
    })
    const refused = await exec()
    expect([refused.status, refused.body.error.code, ended]).toEqual([502, 'agent_error', 'cut off'])
    expect(refused.body.error.hint).toContain('Stream')
  })

  test('a capsule that is lost meanwhile is an agent error, and an unexpected failure tells no details', async () => {
    program(async function* () {
      yield out('x')
    })
    expect((await exec()).body.error.code).toBe('agent_error')
    program(async function* () {
      yield out('x')
      throw new Error('/run/secret.sock refused')
    })
    const { status, body } = await exec()
    expect([status, body.error.code]).toEqual([500, 'internal_error'])
    expect(JSON.stringify(body)).not.toContain('secret')
  })

  test('a client that hangs up ends the program', async () => {
    let signal: AbortSignal | undefined
    program(async function* (_, given) {
      signal = given
      await new Promise((resolve) => given.addEventListener('abort', resolve))
      yield exit()
    })
    const left = new AbortController()
    const asked = exec({}, { signal: left.signal }).catch(() => 'left')
    await expect.poll(() => signal).toBeDefined()
    left.abort()
    expect(await asked).toBe('left')
    await expect.poll(() => signal!.aborted).toBe(true)
  })
})

describe('streamed', () => {
  test('events come in order, with characters whole and other bytes in base64', async () => {
    program(async function* () {
      yield out([0x61, 0xf0, 0x9f])
      yield out('e', 'stderr')
      yield out([0x98, 0x80])
      yield out([0xff])
      yield out([0xe6, 0xbc])
      yield exit(3)
    })
    expect(await events()).toEqual([
      { type: 'start', id: expect.stringMatching(/^exec-/), pid: expect.any(Number), offset: 0 },
      { type: 'stdout', data: 'a', encoding: 'utf-8', offset: 1 },
      { type: 'stderr', data: 'e', encoding: 'utf-8', offset: 1 },
      { type: 'stdout', data: '😀', encoding: 'utf-8', offset: 6 },
      { type: 'stdout', data: '/w==', encoding: 'base64', offset: 7 },
      { type: 'stdout', data: '5rw=', encoding: 'base64', offset: 9 },
      { type: 'exit', exit_code: 3, duration_ms: 5 },
    ])
  })

  test('a failure before the start is a plain error; a later one is an event without details', async () => {
    const accept = { headers: { accept: 'application/x-ndjson' } }
    const { status, body } = await exec({ cmd: 'nothing' }, accept)
    expect([status, body.error.code]).toEqual([404, 'not_found'])
    program(async function* () {
      yield out('x')
      throw new Problem('host_unavailable', 'It is gone.')
    })
    expect((await events()).at(-1)).toEqual({ type: 'error', code: 'host_unavailable', message: 'It is gone.' })
    program(async function* () {
      yield out('x')
      throw new Error('/run/secret.later refused')
    })
    const last = (await events()).at(-1)
    expect(last).toMatchObject({ type: 'error', code: 'internal_error' })
    expect(JSON.stringify(last)).not.toContain('secret')
    expect(on.log.join()).toContain('secret.later')
  })

  test('a capsule that is lost meanwhile ends the stream with an error', async () => {
    program(async function* () {
      yield out('x')
    })
    expect((await events()).at(-1)).toMatchObject({ type: 'error', code: 'agent_error' })
  })

  test('a slow reader slows the program, and one that leaves ends it', async () => {
    let printed = 0
    let signal: AbortSignal | undefined
    program(async function* (_, given) {
      signal = given
      for (; printed < 4096 && !given.aborted; printed++) yield out(Buffer.alloc(65_536, 'x'))
      yield exit()
    })
    const left = new AbortController()
    const response = await fetch(`${on.url}/v1/capsules/${id}/exec`, {
      method: 'POST',
      headers: { 'x-api-key': on.key, accept: 'application/x-ndjson' },
      body: '{"cmd":"program"}',
      signal: left.signal,
    })
    await response.body!.getReader().read()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const before = printed
    expect(before).toBeLessThan(1000)
    left.abort()
    await expect.poll(() => signal!.aborted).toBe(true)
    expect(printed).toBeLessThan(before + 10)
  })
})

describe('in the background', () => {
  test('a program is started with a tag, and the guest is told nothing but what it has to know', async () => {
    const { status, body } = await exec({ background: true, args: ['x'] })
    const some = { id: expect.stringMatching(/^exec-/), pid: expect.any(Number), tag: expect.any(String) }
    expect([status, body]).toEqual([202, { sandbox_id: id, cmd: 'program', ...some }])
    expect(body.tag).toMatch(/^proc-[0-9a-f]{8}$/)
    expect(on.host.guest(id).spawned).toEqual([{ cmd: 'program', args: ['x'], stdin: false, tag: body.tag }])
  })
})
