/** The environment variables of capsules: who gets them, who never sees them, and how long they are kept. */
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { EventReader } from '../testing/event-reader.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'

const SECRET = 'hush-0123456789'
const envs = { TOKEN: SECRET, PLACE: 'capsule' }

let on: Serving
let ask: Ask
let id: string
beforeEach(async () => {
  on = await serve()
  on.host.programs['env'] = async function* ({ envs: given }) {
    yield { type: 'stdout', data: Buffer.from(JSON.stringify(given ?? null)) }
    yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
  }
  ask = new Ask(on)
  id = await ask.capsule({ envs })
})
afterEach(() => on.end())

const exec = (capsule: string, more: object = {}, headers = {}) =>
  ask.of('exec', capsule, { json: { cmd: 'env', ...more }, headers })
const envOf = async (capsule: string, more: object = {}): Promise<unknown> =>
  JSON.parse((await exec(capsule, more)).body.stdout as string)
const sealed = async (capsule: string) => (await on.store.capsules.ofAnyTeam(capsule))!.envs

describe('every program', () => {
  test('gets them, and what it is given of its own comes first', async () => {
    expect(await envOf(id)).toEqual(envs)
    expect(await envOf(id, { envs: { PLACE: 'call', MORE: 'x' } })).toEqual({ ...envs, PLACE: 'call', MORE: 'x' })
    expect(await envOf(await ask.capsule())).toBeNull()
    expect(await envOf(await ask.capsule({ envs: {} }), { envs: { A: 'b' } })).toEqual({ A: 'b' })
  })

  test('does so in the background and streamed', async () => {
    expect((await exec(id, { background: true })).status).toBe(202)
    expect(on.host.guest(id).spawned.at(-1)!.envs).toEqual(envs)
    const { bytes } = await exec(id, {}, { accept: 'application/x-ndjson' })
    expect(bytes.toString()).toContain(SECRET)
    expect(on.host.guest(id).latest.spec.envs).toEqual(envs)
  })

  test.each([
    ['exec/stream', { type: 'start', cmd: 'env', envs: { PLACE: 'call' } }],
    ['pty', { type: 'start', cmd: 'env', envs: { PLACE: 'call' } }],
  ])('does so over the WebSocket of %s', async (path, message) => {
    const socket = await new Socket(on, `/v1/capsules/${id}/${path}`).open()
    socket.say(message)
    await socket.rest()
    expect(on.host.guest(id).latest.spec.envs).toEqual({ TOKEN: SECRET, PLACE: 'call' })
  })

  test('still does after a pause, a resume and a restart', async () => {
    await ask.pause(id)
    await on.restart()
    expect((await ask.resume(id)).status).toBe(200)
    expect(await envOf(id)).toEqual(envs)
  })

  test('of a fork gets those of its source, or others in their place', async () => {
    const [{ id: same }, { id: too }] = (await ask.fork(id, { count: 2 })).body
    expect([await envOf(same), await envOf(too)]).toEqual([envs, envs])
    const [{ id: others }] = (await ask.fork(id, { envs: { A: 'b' } })).body
    expect(await envOf(others)).toEqual({ A: 'b' })
    const [{ id: none }] = (await ask.fork(id, { envs: {} })).body
    expect(await envOf(none)).toBeNull()
    const [{ id: grandchild }] = (await ask.fork(same)).body
    expect(await envOf(grandchild)).toEqual(envs)
  })

  test('of a fork gets them although its source was deleted meanwhile', async () => {
    const { gate, asked } = await ask.at('captured', () => ask.fork(id))
    const deleted = ask.remove(id)
    gate.open()
    await deleted
    const [fork] = ((await asked) as Answer).body
    expect(await envOf(fork.id)).toEqual(envs)
  })

  test('of a capsule that came from a snapshot gets those of this capsule alone', async () => {
    await ask.snapshot({ sandbox_id: id, name: 'a', keep_source: true })
    expect(await envOf(await ask.capsule({ template: 'a' }))).toBeNull()
    expect(await envOf(await ask.capsule({ template: 'a', envs: { A: 'b' } }))).toEqual({ A: 'b' })
  })

  test('other calls into the capsule go on as ever', async () => {
    ask.note(id, 'text')
    expect((await ask.inside(id)).status).toBe(200)
    expect((await ask.of('statFile', id, { json: { path: '/note' } })).status).toBe(200)
    expect((await ask.of('readFile', id, { json: { path: '/note' } })).bytes.toString()).toBe('text')
  })
})

describe('nobody else', () => {
  test('finds them in an answer, an event, the log, the store or what is told to the host', async () => {
    const reader = await EventReader.open(on)
    const keyed = { headers: { 'idempotency-key': 'k' }, json: { envs } }
    const answers = [await ask.api.call('createCapsule', keyed), await ask.api.call('createCapsule', keyed)]
    const made = answers[0]!.body.id as string
    for (const name of ['getCapsule', 'forkCapsule', 'pauseCapsule', 'resumeCapsule', 'setNetwork'] as const)
      answers.push(await ask.of(name, made, name === 'setNetwork' ? { json: {} } : {}))
    answers.push(await ask.api.call('listCapsules'), await ask.snapshot({ sandbox_id: made, name: 'a' }))
    answers.push(await ask.template('a'), await ask.versions('a'), await ask.of('getCapsule', made))
    answers.push(await ask.api.call('createCapsule', { json: { envs: { ...envs, 'A=B': SECRET } } }))
    await envOf(id)
    await reader.until(({ event }) => event === 'template.snapshot.create')
    reader.close()
    const files = await Promise.all(on.files().map((path) => readFile(path, 'latin1').catch(() => '')))
    const specs = [...on.host.capsules.values()].map(({ spec }) => spec)
    const seen = [...answers.map(({ bytes }) => bytes.toString()), ...on.log, ...files]
    const all = seen.join('\n') + JSON.stringify([reader.events, specs])
    expect(answers.map(({ status }) => status).filter((status) => status >= 300)).toEqual([400])
    expect(all).toContain(made)
    expect(all).not.toContain(SECRET)
    expect(all).not.toContain('TOKEN')
  })

  test.each([
    ['a name with "="', { 'A=B': 'x' }],
    ['an empty name', { '': 'x' }],
    ['a value with NUL', { A: 'x\0' }],
    ['a value that is no text', { A: 1 }],
    ['more than is kept', { A: 'x'.repeat(65_536) }],
    ['more bytes than are kept', { A: 'é'.repeat(32_768) }],
  ])('%s is refused', async (_, wrong) => {
    for (const answer of [
      await ask.api.call('createCapsule', { json: { envs: wrong } }),
      await ask.fork(id, { envs: wrong }),
    ])
      expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining('envs')])
    expect((await ask.api.call('listCapsules')).body).toHaveLength(1)
  })
})

describe('they are kept', () => {
  test('sealed for one capsule alone, and go with its end', async () => {
    const other = await ask.capsule({ envs })
    expect(await sealed(id)).not.toBe(await sealed(other))
    expect(await sealed(await ask.capsule())).toBeNull()
    await ask.remove(id)
    expect(await sealed(id)).toBeNull()
    on.host.end(other, 'it was killed')
    await expect.poll(() => ask.status(other)).toBe('error')
    expect(await sealed(other)).toBeNull()
  })

  test('until a snapshot ends the capsule, and not longer where it is lost', async () => {
    await ask.snapshot({ sandbox_id: id, name: 'a' })
    expect(await sealed(id)).toBeNull()
    const lost = await ask.capsule({ envs })
    on.host.capsules.delete(lost)
    await on.restart()
    expect([await ask.status(lost), await sealed(lost)]).toEqual(['missing', null])
  })

  test('and under another secret nothing starts without them: it is said why', async () => {
    const bare = await ask.capsule()
    on.secret = new Uint8Array(32).fill(9)
    await on.restart()
    const background = await exec(id, { background: true })
    for (const { status, body } of [await exec(id), background, await ask.fork(id)]) {
      expect([status, body.error.code]).toEqual([500, 'internal_error'])
      expect(body.error.message).toBe('The environment variables of this capsule cannot be opened.')
      expect(body.error.hint).toContain('secret.key')
    }
    expect(on.host.guest(id).spawned).toEqual([])
    expect(on.host.snapshots.size).toBe(0)
    expect(await envOf(bare)).toBeNull()
    expect((await ask.inside(id)).status).toBe(200)
    expect((await ask.fork(id, { envs: {} })).status).toBe(201)
    on.secret = new Uint8Array(32).fill(7)
    await on.restart()
    expect(await envOf(id)).toEqual(envs)
  })
})
