/** Idempotency-Key: done once, answered the same however often it is asked. */
import { readFile } from 'node:fs/promises'
import { newKey, Problem, routes, type Route, type RouteName } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer, Ask as Request } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
})
afterEach(() => on.end())

const keyed = (name: RouteName, key: string, more: Request = {}) =>
  ask.api.call(name, { ...more, headers: { 'idempotency-key': key, ...more.headers } })
const create = (key: string, json: object = {}, more: Request = {}) => keyed('createCapsule', key, { json, ...more })
const isReplay = ({ headers }: Answer) => headers.get('idempotent-replayed') === 'true'
const capsules = () => on.host.capsules.size
const DAY = 24 * 3600

describe('the same request under the same key', () => {
  test('is done once, and its first answer is given again to the byte', async () => {
    const first = await create('k', { metadata: { a: 'ä' } })
    expect([first.status, isReplay(first)]).toEqual([201, false])
    await ask.remove(first.body.id)
    for (let i = 0; i < 3; i++) {
      const again = await create('k', { metadata: { a: 'ä' } })
      expect([again.status, isReplay(again)]).toEqual([201, true])
      expect(again.bytes.equals(first.bytes)).toBe(true)
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
    }
    expect(capsules()).toBe(0)
  })

  test('is the same on both bases, and after a restart', async () => {
    const first = await create('k')
    await on.restart()
    expect((await create('k')).bytes.equals(first.bytes)).toBe(true)
    const headers = { 'idempotency-key': 'k', 'content-type': 'application/json' }
    const other = await ask.api.send('POST', '/api/v1/capsules', { headers, body: '{}' })
    expect(other.bytes.equals(first.bytes)).toBe(true)
    expect(capsules()).toBe(1)
  })

  test('works on every route that makes something, and only there', async () => {
    const id = await ask.capsule()
    on.host.programs['date'] = async function* () {
      yield { type: 'stdout', data: Buffer.from(String(Math.random())) }
      yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
    }
    ask.note(id, 'x')
    const asks: Partial<Record<RouteName, Request>> = {
      createCapsule: { json: {} },
      forkCapsule: { params: { id } },
      exec: { params: { id }, json: { cmd: 'date' } },
      makeDir: { params: { id }, json: { path: '/x' } },
      moveFile: { params: { id }, json: { from: '/note', to: '/moved' } },
      createSnapshot: { json: { sandbox_id: id, keep_source: true } },
      createKey: { json: {} },
    }
    for (const [name, route] of Object.entries(routes) as [RouteName, Route][])
      expect(name in asks, name).toBe(route.idempotencyKey === true)
    for (const [name, one] of Object.entries(asks) as [RouteName, Request][]) {
      const first = await keyed(name, `for ${name}`.replace(' ', '-'), one)
      const again = await keyed(name, `for-${name}`, one)
      expect([first.status < 300, again.status], name).toEqual([true, first.status])
      expect([isReplay(first), isReplay(again)], name).toEqual([false, true])
      expect(again.bytes.equals(first.bytes), name).toBe(true)
    }
    expect(isReplay(await keyed('pingCapsule', 'p', { params: { id } }))).toBe(false)
    expect(isReplay(await keyed('pingCapsule', 'p', { params: { id } }))).toBe(false)
  })

  test('may be repeated when it was refused: the refusal is its answer, under the same request id', async () => {
    const first = await create('k', { template: 'later' })
    expect(first.status).toBe(404)
    await ask.made('later', 'x')
    const again = await create('k', { template: 'later' })
    expect([again.status, isReplay(again)]).toEqual([404, true])
    expect(again.bytes.equals(first.bytes)).toBe(true)
    expect(again.headers.get('x-request-id')).toBe(first.headers.get('x-request-id'))
    expect((await create('k2', { template: 'later' })).status).toBe(201)
  })

  test.each([
    new Problem('no_hosts_available', 'No room.'),
    new Problem('insufficient_storage', 'It is full.'),
    new Problem('rate_limited', 'Too much.'),
    new Error('broken'),
  ])('is tried again when the first try failed (%s)', async (error) => {
    on.host.faults.failNext('start', error)
    expect((await create('k')).status).toBeGreaterThanOrEqual(429)
    const second = await create('k')
    expect([second.status, isReplay(second)]).toEqual([201, false])
    expect(isReplay(await create('k'))).toBe(true)
    expect(capsules()).toBe(1)
  })

  test('is forgotten after a day, and its row with it', async () => {
    const first = await create('k')
    on.clock.advance(DAY - 10)
    expect(isReplay(await create('k'))).toBe(true)
    on.clock.advance(11)
    await expect.poll(() => on.store.answers.oldest()).toBeUndefined()
    const second = await create('k')
    expect([isReplay(second), second.body.id === first.body.id]).toEqual([false, false])
    on.clock.advance(DAY - 10)
    await on.restart()
    expect(isReplay(await create('k'))).toBe(true)
    on.clock.advance(11)
    await on.restart()
    await expect.poll(() => on.store.answers.oldest()).toBeUndefined()
  })
})

describe('another request under the same key', () => {
  test.each([
    ['of another body', () => create('k', { timeout_sec: 1 })],
    ['of a body that means the same', () => keyed('createCapsule', 'k', { raw: '{ }' })],
    ['to another route', () => keyed('createKey', 'k', { json: {} })],
    ['of another query', () => create('k', {}, { query: '?x=1' })],
  ])('%s is a conflict, and nothing is done', async (_, other) => {
    await create('k')
    const { status, body } = await other()
    expect([status, body.error.code]).toEqual([409, 'conflict'])
    expect(body.error.message).toContain('Idempotency-Key')
    expect(capsules()).toBe(1)
    expect(isReplay(await create('k'))).toBe(true)
  })

  test('is a conflict while the first is under way, too', async () => {
    const { gate, asked } = await ask.at('start', () => create('k'))
    expect((await create('k', { timeout_sec: 1 })).body.error.code).toBe('conflict')
    gate.open()
    expect(((await asked) as Answer).status).toBe(201)
  })

  test('of another API key is none of its business', async () => {
    const { key } = (await ask.api.call('createKey', { json: {} })).body
    const first = await create('k')
    const other = await create('k', { timeout_sec: 5 }, { headers: { 'x-api-key': key } })
    expect([other.status, isReplay(other), other.body.id === first.body.id]).toEqual([201, false, false])
    expect((await create('k', {}, { headers: { 'x-api-key': newKey() } })).status).toBe(401)
  })
})

describe('while the first is under way', () => {
  test('the second waits for it and gets its answer', async () => {
    const { gate, asked } = await ask.at('start', () => create('k'))
    const more = [create('k'), create('k')]
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(gate.arrived).toBe(1)
    gate.open()
    const first = (await asked) as Answer
    for (const again of await Promise.all(more)) {
      expect([again.status, isReplay(again)]).toEqual([201, true])
      expect(again.bytes.equals(first.bytes)).toBe(true)
    }
    expect(capsules()).toBe(1)
  })

  test('its failure is the answer of all that wait, and the next tries again', async () => {
    const { gate, asked } = await ask.at('start', () => create('k'))
    const second = create('k')
    await new Promise((resolve) => setTimeout(resolve, 50))
    on.host.faults.failNext('start', new Problem('no_hosts_available', 'No room.', { retryAfterSec: 7 }))
    gate.open()
    const answers = [(await asked) as Answer, await second]
    expect(answers.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
      [503, '7'],
      [503, '7'],
    ])
    expect((await create('k')).status).toBe(201)
  })

  test('many at once are one', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create('k')))
    expect(new Set(answers.map(({ body }) => body.id as string)).size).toBe(1)
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1)
    expect(capsules()).toBe(1)
  })

  test('a client that hangs up finds the answer when it asks again; a program is not cut off', async () => {
    const id = await ask.capsule({ timeout_sec: 60 })
    let runs = 0
    let end = () => {}
    on.host.programs['once'] = async function* (_, signal) {
      runs++
      await new Promise<void>((resolve) => {
        end = resolve
        signal.addEventListener('abort', () => resolve())
      })
      yield { type: 'exit', exitCode: signal.aborted ? -1 : 7, timedOut: false, durationMs: 1 }
    }
    const left = new AbortController()
    const exec = (more: Request = {}) => keyed('exec', 'k', { params: { id }, json: { cmd: 'once' }, ...more })
    const asked = exec({ signal: left.signal }).catch(() => 'left')
    await expect.poll(() => runs).toBe(1)
    left.abort()
    expect(await asked).toBe('left')
    // It is in use as long as the program runs, whether or not anybody waits.
    on.clock.advance(1000)
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(await ask.status(id)).toBe('running')
    const again = exec()
    await new Promise((resolve) => setTimeout(resolve, 40))
    end()
    expect((await again).body.exit_code).toBe(7)
    expect(runs).toBe(1)
  })

  test('a crash drops it with what it had begun, and the next tries again', async () => {
    const { asked } = await ask.at('start', () => create('k'))
    on.host.faults.hold('start').open()
    await on.restart()
    await asked.catch(() => {})
    const again = await create('k')
    expect([again.status, isReplay(again)]).toEqual([201, false])
    expect((await ask.api.call('listCapsules')).body).toHaveLength(1)
  })
})

describe('a command whose answer was lost with its server', () => {
  let id: string
  /** As it is in the store when the server dies right before it keeps the answer. */
  const loseAnswer = async (begun: string) => {
    const [owner] = await on.store.keys.list(on.store.teams.defaultId)
    const row = (await on.store.answers.find(owner!.id, 'k'))!
    await on.store.answers.put({ ...row, sealed: '', begun })
    await on.restart()
  }
  const exec = (json: object) => keyed('exec', 'k', { params: { id }, json })
  const running = async () => (await ask.inside(id)).body.processes as object[]
  beforeEach(async () => {
    id = await ask.capsule()
    on.host.programs['once'] = async function* () {
      yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
    }
  })

  test('is found again by its tag, in the background', async () => {
    const first = await exec({ cmd: 'sleep', background: true })
    await loseAnswer(first.body.tag)
    const again = await exec({ cmd: 'sleep', background: true })
    expect([again.status, isReplay(again), again.body]).toEqual([202, false, first.body])
    expect(await running()).toHaveLength(1)
    expect(isReplay(await exec({ cmd: 'sleep', background: true }))).toBe(true)
  })

  test.each([
    ['that is not found', { cmd: 'sleep', background: true }, 'proc-00000000'],
    ['whose tag may be that of another', { cmd: 'sleep', background: true, tag: 'own' }, 'own'],
    ['that was waited for', { cmd: 'once' }, ''],
  ])('is never run twice, and the answer says so, for one %s', async (_, json, begun) => {
    await exec(json)
    await loseAnswer(begun)
    const { sessions } = on.host.capsule(id)
    const before = sessions.length
    const again = await exec(json)
    expect([again.status, again.body.error.code]).toEqual([409, 'conflict'])
    expect(again.body.error.message).toContain('not known')
    expect(sessions).toHaveLength(before)
  })

  test('is run by the next try when it is known that it was not', async () => {
    expect((await exec({ cmd: 'once', pty: { cols: 1, rows: 1 } })).status).toBe(400)
    const [owner] = await on.store.keys.list(on.store.teams.defaultId)
    on.host.programs['broken'] = async function* () {
      yield* []
      throw new Problem('agent_error', 'It is lost.')
    }
    const broken = () => keyed('exec', 'b', { params: { id }, json: { cmd: 'broken' } })
    expect([(await broken()).status, (await broken()).status]).toEqual([502, 502])
    expect(await on.store.answers.find(owner!.id, 'b')).toBeUndefined()
  })
})

describe('the key', () => {
  test.each(['', ' ', 'a b', 'ä', 'x'.repeat(256), 'a\tb'])('"%s" is refused', async (key) => {
    const { status, body } = await create(key)
    expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    expect(body.error.message).toContain('Idempotency-Key')
    expect(capsules()).toBe(0)
  })

  test.each(['x', 'x'.repeat(255), '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'])('"%s" is one', async (key) => {
    await create(key)
    expect(isReplay(await create(key))).toBe(true)
  })

  test('cannot be given with a streamed answer', async () => {
    const id = await ask.capsule()
    const accept = { accept: 'application/x-ndjson' }
    const { status, body } = await keyed('exec', 'k', { params: { id }, json: { cmd: 'x' }, headers: accept })
    expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    expect((await keyed('exec', 'k', { params: { id }, json: { cmd: 'x' } })).status).toBe(404)
  })

  test('is looked at only when the API key is good', async () => {
    expect((await create('a b', {}, { headers: { 'x-api-key': 'wrn_x' } })).status).toBe(401)
  })
})

test('a secret in an answer is given again, and is nowhere in the store or the log', async () => {
  const first = await keyed('createKey', 'k', { json: { name: 'new' } })
  const { key } = first.body as { key: string }
  const again = await keyed('createKey', 'k', { json: { name: 'new' } })
  expect(again.body.key).toBe(key)
  expect((await ask.api.call('listKeys')).body).toHaveLength(2)
  const row = (await on.store.answers.find((await on.store.keys.list(on.store.teams.defaultId)).at(-1)!.id, 'k'))!
  expect(JSON.stringify(row)).not.toContain(key)
  expect(Buffer.from(row.sealed, 'base64').toString('latin1')).not.toContain('wrn_')
  expect(on.log.join()).not.toContain(key)
  await on.server.close()
  const files = await Promise.all(on.files().map((path) => readFile(path, 'latin1').catch(() => '')))
  expect(files.join().length).toBeGreaterThan(10_000)
  expect(files.join()).not.toContain(key.slice(4))
})
