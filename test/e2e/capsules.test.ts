/** Capsules, programs and files over HTTP, as the contract has them. */
import { newId } from '@wrenn/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Api } from '../support/api.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
let api: Api
beforeAll(async () => {
  wrenn = await startFake()
  api = new Api(wrenn)
})
afterAll(() => wrenn.end())

async function capsule(json: object = {}): Promise<string> {
  const { status, body } = await api.call('createCapsule', { json })
  expect(status).toBe(201)
  return body.id as string
}

describe('a capsule', () => {
  test('is running when the answer comes, with the defaults where nothing was said', async () => {
    const { status, body } = await api.call('createCapsule', { json: {} })
    expect(status).toBe(201)
    expect(body).toMatchObject({ status: 'running', template: 'minimal', vcpus: 1, memory_mb: 512, timeout_sec: 0 })
    expect(body.started_at >= body.created_at).toBe(true)
    expect(body).not.toHaveProperty('metadata')
  })

  test('keeps its labels, and null means absent', async () => {
    const metadata = { owner: 'ada', 'a.b-c_d': '' }
    const id = await capsule({ metadata, template: null, vcpus: null, unknown: 'ignored' })
    expect((await api.call('getCapsule', { params: { id } })).body).toMatchObject({
      metadata,
      disk_used_mb: expect.any(Number),
    })
  })

  test('is listed newest first while it lives, and shown after its end; a second delete is fine', async () => {
    const ids = [await capsule(), await capsule()]
    const listed = async () => (await api.call('listCapsules')).body.map(({ id }: { id: string }) => id) as string[]
    expect((await listed()).slice(0, 2)).toEqual(ids.toReversed())
    for (let i = 0; i < 2; i++) expect((await api.call('deleteCapsule', { params: { id: ids[0]! } })).status).toBe(204)
    expect(await listed()).not.toContain(ids[0])
    expect((await api.call('getCapsule', { params: { id: ids[0]! } })).body.status).toBe('stopped')
  })

  test('that cannot be started leaves nothing that lives', async () => {
    wrenn.world.failNext('restore', new Error('broken'))
    const machines = wrenn.world.machines.size
    const { status, body } = await api.call('createCapsule', { json: {} })
    expect([status, body.error.code]).toEqual([503, 'host_unavailable'])
    expect(body.error.message).not.toMatch(/broken|\//)
    expect(wrenn.world.machines.size).toBe(machines)
  })

  test('may be deleted while it starts', async () => {
    const gate = wrenn.world.hold('restore')
    const starting = api.call('createCapsule', { json: {} })
    await expect.poll(() => gate.queue).toBe(1)
    const { id, status } = (await api.call('listCapsules')).body[0]
    expect(status).toBe('starting')
    const deleting = api.call('deleteCapsule', { params: { id } })
    await expect.poll(async () => (await api.call('getCapsule', { params: { id } })).body.status).toBe('stopped')
    gate.open()
    expect((await deleting).status).toBe(204)
    expect((await starting).body.error.code).toBe('invalid_state')
    expect(wrenn.world.machineOf(id)).toBeUndefined()
  })

  test('that ends by itself is in error, says why, and can still be deleted', async () => {
    const id = await capsule()
    wrenn.world.machineOf(id)!.end('the guest powered off')
    await expect.poll(async () => (await api.call('getCapsule', { params: { id } })).body.status).toBe('error')
    const { body } = await api.call('exec', { params: { id }, json: { cmd: 'true' } })
    expect(body.error).toMatchObject({ code: 'invalid_state', message: expect.stringContaining('powered off') })
    expect((await api.call('deleteCapsule', { params: { id } })).status).toBe(204)
  })

  test('goes on while the server restarts, and one that did not is missing', async () => {
    const [kept, lost] = [await capsule(), await capsule()]
    await api.call('exec', { params: { id: kept }, json: { cmd: 'put', args: ['/root/a', 'b'] } })
    wrenn.world.machineOf(lost)!.end('power cut')
    await expect.poll(async () => (await api.call('getCapsule', { params: { id: lost } })).body.status).toBe('error')
    const late = await capsule()
    const machine = wrenn.world.machineOf(late)!
    await wrenn.stop()
    machine.end('while nobody looked')
    Object.assign(wrenn, { stop: async () => {} })
    await wrenn.restart()
    expect((await api.call('readFile', { params: { id: kept }, json: { path: 'a' } })).bytes.toString()).toBe('b')
    expect((await api.call('getCapsule', { params: { id: late } })).body.status).toBe('missing')
    expect((await api.call('deleteCapsule', { params: { id: late } })).status).toBe(204)
  })

  test('ping wants it running', async () => {
    const id = await capsule()
    expect((await api.call('pingCapsule', { params: { id } })).status).toBe(204)
    await api.call('deleteCapsule', { params: { id } })
    expect((await api.call('pingCapsule', { params: { id } })).body.error.code).toBe('invalid_state')
  })
})

describe('bad input', () => {
  test.each([
    [{ template: 'no-such' }, 404, 'not_found'],
    [{ template: '../x' }, 400, 'invalid_request'],
    [{ template: '' }, 400, 'invalid_request'],
    [{ vcpus: 0 }, 400, 'invalid_request'],
    [{ vcpus: 1.5 }, 400, 'invalid_request'],
    [{ vcpus: '2' }, 400, 'invalid_request'],
    [{ vcpus: 100_000 }, 400, 'invalid_request'],
    [{ memory_mb: 1 }, 400, 'invalid_request'],
    [{ memory_mb: 1e9 }, 400, 'invalid_request'],
    [{ timeout_sec: -1 }, 400, 'invalid_request'],
    [{ metadata: { a: 1 } }, 400, 'invalid_request'],
    [{ metadata: { '': 'x' } }, 400, 'invalid_request'],
    [{ metadata: { a: 'x'.repeat(65) } }, 400, 'invalid_request'],
    [{ metadata: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, ''])) }, 400, 'invalid_request'],
  ])('%j makes no capsule', async (json, status, code) => {
    const before = (await api.call('listCapsules')).body.length
    const answer = await api.call('createCapsule', { json })
    expect([answer.status, answer.body.error.code]).toEqual([status, code])
    expect((await api.call('listCapsules')).body).toHaveLength(before)
  })

  test('bodies that are too large, no JSON, or missing are refused', async () => {
    const huge = await api.call('createCapsule', { raw: JSON.stringify({ template: 'x'.repeat(2 << 20) }) })
    expect([huge.status, huge.body.error.code]).toEqual([413, 'too_large'])
    for (const raw of ['', '{"a":', '\xff']) expect((await api.call('createCapsule', { raw })).status).toBe(400)
  })

  test('routes that do not exist, and methods that a route does not have, answer JSON', async () => {
    for (const path of ['/', '/v1', '/v1/nothing', '/v2/capsules', '/api/v1/capsules/x/y/z']) {
      expect((await api.send('GET', path)).body.error.code).toBe('not_found')
    }
    const { status, body, headers } = await api.send('DELETE', '/api/v1/capsules')
    expect([status, body.error.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST, GET, HEAD'])
    expect((await api.send('GET', '/v1/capsules/%ff')).status).toBe(400)
  })

  test('ids of the wrong form are told apart from unknown ones', async () => {
    for (const id of ['x', 'cl-', newId('team'), `${newId('capsule')}0`, 'cl-' + '%00'.repeat(3), 'x'.repeat(3000)]) {
      expect((await api.call('getCapsule', { params: { id } })).status, id).toBe(400)
    }
    expect((await api.call('getCapsule', { params: { id: newId('capsule') } })).status).toBe(404)
  })

  test('inside a capsule its state comes before the body', async () => {
    const id = await capsule()
    const bad = { raw: '{' }
    expect((await api.call('exec', { params: { id }, ...bad })).status).toBe(400)
    await api.call('deleteCapsule', { params: { id } })
    for (const name of [
      'exec',
      'readFile',
      'writeFile',
      'listFiles',
      'makeDir',
      'removeFile',
      'streamWriteFile',
    ] as const) {
      expect((await api.call(name, { params: { id }, ...bad })).body.error.code).toBe('invalid_state')
      expect((await api.call(name, { params: { id: newId('capsule') }, ...bad })).body.error.code).toBe('not_found')
    }
  })
})

describe('keys', () => {
  test('are required everywhere but for health and the description, and wrong ones are refused', async () => {
    for (const key of ['', 'wrn_', `wrn_${'0'.repeat(32)}`, 'x'.repeat(5000)]) {
      const headers = { 'x-api-key': key }
      expect((await api.call('listCapsules', { headers })).body.error.code).toBe('unauthorized')
      expect((await api.call('getHealth', { headers })).body).toEqual({ status: 'ok', version: '0.0.0-test' })
    }
  })

  test('are made, listed without themselves, and revoked at once', async () => {
    const { body } = await api.call('createKey', { json: { name: 'second' } })
    const second = new Api({ url: wrenn.url, key: body.key })
    expect((await second.call('listCapsules')).status).toBe(200)
    const listed = (await api.call('listKeys')).body
    expect(JSON.stringify(listed)).not.toContain(body.key)
    expect(listed[0]).toMatchObject({ name: 'second', key_prefix: body.key.slice(0, 10) })
    expect((await second.call('revokeKey', { params: { id: body.id } })).body.error.code).toBe('conflict')
    expect((await api.call('revokeKey', { params: { id: body.id } })).status).toBe(204)
    expect((await second.call('listCapsules')).status).toBe(401)
    expect((await api.call('revokeKey', { params: { id: body.id } })).status).toBe(404)
  })

  test("do not reach another team's things, which look as if they were not there", async () => {
    const id = await capsule()
    await api.call('createSnapshot', { json: { sandbox_id: await capsule(), name: 'ours' } })
    const teamId = newId('team')
    const { createHash } = await import('node:crypto')
    const key = 'wrn_' + 'f'.repeat(32)
    const row = {
      id: newId('key'),
      teamId: wrenn.store.teams.platformId,
      name: 'other',
      scope: 'admin' as const,
      prefix: 'wrn_ffffff',
      createdAt: new Date().toISOString(),
    }
    await wrenn.store.keys.insert({
      ...row,
      hash: createHash('sha256').update(key).digest('hex'),
      expiresAt: null,
      lastUsedAt: null,
      revokedAt: null,
    })
    expect(teamId).not.toBe(row.teamId)
    const other = new Api({ url: wrenn.url, key })
    expect((await other.call('getCapsule', { params: { id } })).status).toBe(404)
    expect((await other.call('deleteCapsule', { params: { id } })).status).toBe(404)
    expect((await other.call('exec', { params: { id }, json: { cmd: 'true' } })).status).toBe(404)
    expect((await other.call('getSnapshot', { params: { name: 'ours' } })).status).toBe(404)
    expect((await other.call('createCapsule', { json: { template: 'ours' } })).status).toBe(404)
    expect((await other.call('createSnapshot', { json: { sandbox_id: id } })).status).toBe(404)
    expect((await other.call('listCapsules')).body).toEqual([])
  })
})

test('the description is OpenAPI, and the page that shows it needs nothing from elsewhere', async () => {
  const { body } = await api.send('GET', '/openapi.json')
  expect(body.openapi).toBe('3.1.0')
  expect(Object.keys(body.paths)).toContain('/v1/snapshots')
  const page = (await api.send('GET', '/docs/')).bytes.toString()
  expect(page).toContain('swagger-ui')
  expect(page).not.toMatch(/(src|href)="https?:/)
  expect((await api.send('GET', '/docs/swagger-initializer.js')).bytes.toString()).toContain('openapi.json')
  expect((await api.send('GET', '/docs/swagger-ui-bundle.js')).status).toBe(200)
})
