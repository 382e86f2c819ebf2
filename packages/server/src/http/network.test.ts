/** What capsules may reach: said at the start, changed while something else is done to them, and never told two ways. */
import { newId, Problem, type NetworkPolicy } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { MemoryHost } from '../testing/memory-host.js'
import { serve, type Serving } from '../testing/serve.js'

const open = { internet: true, allow: [], deny: [] }
const closed = { internet: false, allow: [], deny: [] }
const some = { internet: false, allow: ['*.example.org'], deny: ['203.0.113.0/24'] }

let on: Serving
let ask: Ask
const set = (id: string, json: object) => ask.of('setNetwork', id, { json })
const told = async (id: string) => (await ask.get(id)).network
const ofHost = (id: string): NetworkPolicy => on.host.capsule(id).spec.network

/** Fails when store and host do not agree. */
async function agree(id: string, network: NetworkPolicy): Promise<void> {
  expect(await told(id)).toEqual(network)
  if ((await ask.status(id)) === 'running') expect(ofHost(id)).toEqual(network)
  expect((await on.store.capsules.ofAnyTeam(id))!.operation).toBeNull()
}

/** A change that has found something else under way. */
async function waiting(change: () => Promise<Answer>): Promise<{ answer: Promise<Answer> }> {
  const begun = vi.spyOn(on.store.capsules, 'begin')
  const answer = change()
  await expect.poll(() => begun.mock.settledResults).toMatchObject([{ type: 'fulfilled', value: false }])
  begun.mockRestore()
  return { answer }
}

afterEach(() => on.end())

describe('a capsule', () => {
  beforeEach(async () => {
    on = await serve()
    ask = new Ask(on)
  })

  test('reaches the internet when nothing is said, or what is said, from its start on', async () => {
    await agree(await ask.capsule(), open)
    await agree(await ask.capsule({ network: null }), open)
    await agree(await ask.capsule({ network: { internet: false } }), closed)
    const made = await ask.api.call('createCapsule', { json: { network: some } })
    expect(made.body.network).toEqual(some)
    await agree(made.body.id as string, some)
    expect((await ask.api.call('listCapsules')).body.map((one: { network: unknown }) => one.network)).toContainEqual(
      some,
    )
  })

  test.each([
    ['an address that is none', { allow: ['300.1.1.1'] }],
    ['a range that is none', { allow: ['10.0.0.0/40'] }],
    ['a name that is none', { deny: ['no domain'] }],
    ['IPv6', { deny: ['::1'] }],
    ['a word in the place of a truth', { internet: 'yes' }],
    ['too many destinations', { allow: Array.from({ length: 257 }, () => 'a.example') }],
  ])('with a network that makes no sense (%s) is not started', async (_, network) => {
    const id = await ask.capsule()
    const answers = [
      await ask.api.call('createCapsule', { json: { network } }),
      await ask.fork(id, { network }),
      await set(id, network),
    ]
    for (const { status, body } of answers)
      expect([status, body.error.message]).toEqual([400, expect.stringMatching(/internet|allow|deny/)])
    await agree(id, open)
    expect(on.host.capsules.size).toBe(1)
  })

  test('hands on to its forks what it may reach now, unless they are to reach something else', async () => {
    const id = await ask.capsule({ network: some })
    await agree((await ask.fork(id)).body[0].id as string, some)
    await set(id, closed)
    const [fork] = (await ask.fork(id)).body
    expect(fork.network).toEqual(closed)
    await agree(fork.id as string, closed)
    await agree((await ask.fork(id, { network: {} })).body[0].id as string, open)
    await agree(id, closed)
  })

  test('is given another while it runs, in the place of the one before', async () => {
    const id = await ask.capsule({ network: some })
    const before = await ask.get(id)
    const { status, body } = await set(id, { deny: ['example.org'] })
    expect(status).toBe(200)
    expect(body).toMatchObject({ id, status: 'running', network: { ...open, deny: ['example.org'] } })
    expect(body.renewal).toEqual(before.renewal)
    expect(Date.parse(body.last_updated as string)).toBeGreaterThanOrEqual(Date.parse(before.last_updated))
    await agree(id, { ...open, deny: ['example.org'] })
    await on.restart()
    await agree(id, { ...open, deny: ['example.org'] })
  })

  test('is given another while it is paused, which holds from its resume on', async () => {
    const id = await ask.capsule()
    await ask.pause(id)
    expect((await set(id, some)).body).toMatchObject({ status: 'paused', network: some })
    expect((await ask.resume(id)).body.network).toEqual(some)
    await agree(id, some)
  })

  test('that has ended, or is not there, is given none, before the body is looked at', async () => {
    const id = await ask.capsule()
    await ask.remove(id)
    expect((await ask.of('setNetwork', id, { raw: '{' })).body.error.code).toBe('invalid_state')
    expect((await ask.of('setNetwork', newId('capsule'), { raw: '{' })).body.error.code).toBe('not_found')
    expect((await ask.of('setNetwork', await ask.capsule(), { raw: '{' })).body.error.code).toBe('invalid_request')
  })
})

describe('a change', () => {
  let id: string
  beforeEach(async () => {
    on = await serve()
    ask = new Ask(on)
    id = await ask.capsule()
  })

  test('that the host does not make is none', async () => {
    on.host.faults.failNext('setNetwork', new Problem('host_unavailable', 'It does not answer.'))
    expect((await set(id, closed)).body.error).toMatchObject({
      code: 'host_unavailable',
      message: 'It does not answer.',
    })
    await agree(id, open)
    on.host.faults.failNext('setNetwork', new Error('/a/path'))
    const { status, bytes } = await set(id, closed)
    expect(status).toBe(500)
    expect(bytes.toString()).not.toContain('/a/path')
    await agree(id, open)
    expect((await set(id, closed)).status).toBe(200)
    await agree(id, closed)
  })

  test('that the store does not take is taken back on the host', async () => {
    const { gate, asked } = await ask.at('setNetwork', () => set(id, closed))
    // Something ends the operation under it, as no request could.
    await on.store.capsules.end(id, 'network')
    gate.open()
    expect(((await asked) as Answer).body.error.code).toBe('invalid_state')
    await agree(id, open)
  })

  test('is alone: what else is asked for meanwhile is refused, and a delete waits', async () => {
    const { gate, asked } = await ask.at('setNetwork', () => set(id, closed))
    for (const call of [ask.pause(id), ask.fork(id), ask.snapshot({ sandbox_id: id })])
      expect((await call).body.error.code).toBe('invalid_state')
    expect((await ask.inside(id)).status).toBe(200)
    const deleted = ask.remove(id)
    gate.open()
    expect((await asked) as Answer).toMatchObject({ status: 200, body: { network: closed } })
    expect((await deleted).status).toBe(204)
    expect(on.host.capsules.size).toBe(0)
  })

  test.each([
    ['captured', (one: string) => ask.pause(one), 'paused'],
    ['captured', (one: string) => ask.fork(one), 'running'],
    ['captured', (one: string) => ask.snapshot({ sandbox_id: one, keep_source: true }), 'running'],
  ] as const)('waits for what is under way (at %s, case %#), and holds after it', async (point, begin, status) => {
    const { gate, asked } = await ask.at(point, () => begin(id))
    const change = await waiting(() => set(id, some))
    gate.open()
    expect(((await asked) as Answer).status).toBeLessThan(300)
    expect((await change.answer).body).toMatchObject({ status, network: some })
    await agree(id, some)
    if (status === 'paused') await ask.resume(id)
    await agree(id, some)
  })

  test('waits for a resume, and what it goes on with is changed then', async () => {
    await ask.pause(id)
    const { gate, asked } = await ask.at('started', () => ask.resume(id))
    const change = await waiting(() => set(id, some))
    gate.open()
    expect(((await asked) as Answer).body.network).toEqual(open)
    expect((await change.answer).body.network).toEqual(some)
    await agree(id, some)
  })

  test('while the capsule is deleted finds it gone', async () => {
    const { gate, asked } = await ask.at('destroy', () => ask.remove(id))
    const change = await waiting(() => set(id, some))
    gate.open()
    await asked
    expect((await change.answer).body.error.code).toBe('invalid_state')
  })

  test('while the capsule ends by itself leaves it in error', async () => {
    const { gate, asked } = await ask.at('setNetwork', () => set(id, some))
    on.host.end(id, 'it was killed')
    await expect.poll(() => ask.status(id)).toBe('error')
    gate.open()
    expect(((await asked) as Answer).status).toBeGreaterThanOrEqual(400)
    expect(await ask.get(id)).toMatchObject({ status: 'error', reason: 'it was killed', network: open })
    expect((await ask.remove(id)).status).toBe(204)
  })

  test('of many at once is one after the other: store and host have the same in the end', async () => {
    const wanted = ['a.example', 'b.example', 'c.example'].map((name) => ({ ...closed, allow: [name] }))
    const answers = await Promise.all([...wanted.map((one) => set(id, one)), ask.pause(id), ask.fork(id)])
    expect(answers.filter(({ status }) => status >= 500)).toEqual([])
    await agree(id, (await told(id))!)
    if ((await ask.status(id)) === 'paused') await ask.resume(id)
    await agree(id, (await told(id))!)
  })

  test('that broke off with the server is taken back on the host', async () => {
    const { gate, asked } = await ask.at('setNetwork', () => set(id, closed))
    asked.catch(() => {})
    on.host.capsule(id).spec.network = closed
    on.host.faults.hold('setNetwork').open()
    await on.restart()
    await agree(id, open)
    expect((await ask.pause(id)).status).toBe(200)
    gate.open()
    await asked.catch(() => {})
  })
})

describe('where the host gives no network', () => {
  beforeEach(async () => {
    const host = new MemoryHost()
    host.hasNetwork = false
    on = await serve(host)
    ask = new Ask(on)
  })

  test('capsules start without, and show none', async () => {
    const id = await ask.capsule()
    expect(await told(id)).toBeUndefined()
    expect((await ask.fork(id)).body[0].network).toBeUndefined()
    expect((await ask.api.call('listCapsules')).body[0].network).toBeUndefined()
  })

  test('a network that is closed is fine', async () => {
    const id = await ask.capsule({ network: { internet: false, deny: ['example.org'] } })
    expect((await ask.fork(id, { network: closed })).status).toBe(201)
    expect((await set(id, closed)).status).toBe(200)
    expect(await told(id)).toBeUndefined()
  })

  test.each([{}, { internet: false, allow: ['example.org'] }])(
    'one that is to reach anything (%j) is refused before anything is begun',
    async (network) => {
      const id = await ask.capsule()
      const answers = [
        await ask.api.call('createCapsule', { json: { network } }),
        await ask.fork(id, { network }),
        await set(id, network),
      ]
      for (const { status, body } of answers) {
        expect([status, body.error.code]).toEqual([400, 'invalid_request'])
        expect(body.error.message).toBe('network: the capsules of this server have no network.')
        expect(body.error.hint).toContain('{"internet": false}')
      }
      expect([on.host.capsules.size, on.host.snapshots.size]).toEqual([1, 0])
    },
  )
})
