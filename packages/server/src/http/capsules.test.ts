/** Capsules where their host fails, waits or loses them at a chosen moment. */
import { openNetwork, Problem, type RouteName } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
beforeEach(async () => {
  on = await serve()
  api = new Api(on)
})
afterEach(() => on.end())

const create = (json: object = {}) => api.call('createCapsule', { json })
const get = async (id: string) => (await api.call('getCapsule', { params: { id } })).body
const remove = (id: string) => api.call('deleteCapsule', { params: { id } })

test('a start is asked of the host with the size, the image and the name of the template', async () => {
  const { body } = await create({ template: 'base-python', vcpus: 2, memory_mb: 256 })
  const source = { kind: 'image', imageId: 'img-base-python' }
  const own = { template: 'base-python', network: openNetwork }
  const spec = { capsuleId: body.id, source, vcpus: 2, memoryMb: 256, ...own }
  expect(on.host.capsule(body.id).spec).toEqual(spec)
  expect(body).toMatchObject({ status: 'running', disk_size_mb: 20_480, vcpus: 2, memory_mb: 256 })
})

test('what a start made the capsule’s own is told where one capsule is asked for, started or resumed', async () => {
  const { body } = await create()
  const { renewal } = body
  expect(renewal).toMatchObject({ renewed: ['random', 'clock'], clock_offset_ms: 1.5 })
  expect(renewal.hooks).toMatchObject([{ name: '10-app', exit_code: 3, output: 'no such file' }])
  const { id } = body as { id: string }
  const of = async (name: RouteName) => (await api.call(name, { params: { id } })).body
  expect((await get(id)).renewal).toEqual(renewal)
  expect((await of('forkCapsule'))[0].renewal).toEqual(renewal)
  for (const one of (await api.call('listCapsules')).body) expect(one.renewal).toBeUndefined()
  expect((await of('pauseCapsule')).renewal).toBeUndefined()
  expect((await get(id)).renewal).toEqual(renewal)
  await on.restart()
  on.host.renewal = { ...on.host.renewal, clock_offset_ms: -7 }
  expect((await of('resumeCapsule')).renewal.clock_offset_ms).toBe(-7)
  expect((await get(id)).renewal.clock_offset_ms).toBe(-7)
})

test('what programs did before a snapshot is in its answer, and only there', async () => {
  on.host.hooks = [{ name: '10-flush', exit_code: 0, timed_out: false, duration_ms: 4, output: '' }]
  const { body } = await create()
  const made = await api.call('createSnapshot', { json: { sandbox_id: body.id, name: 'a' } })
  expect(made.body.hooks).toEqual(on.host.hooks)
  expect((await api.call('getSnapshot', { params: { name: 'a' } })).body.hooks).toBeUndefined()
})

test('the size of a snapshot wins over what is asked, even over the limits', async () => {
  const { body } = await create({ vcpus: 3, memory_mb: 256 })
  await api.call('createSnapshot', { json: { sandbox_id: body.id, name: 'a' } })
  const { status, body: again } = await create({ template: 'a', vcpus: 100, memory_mb: 100_000 })
  expect([status, again.vcpus, again.memory_mb]).toEqual([201, 3, 256])
})

test.each([
  [{ vcpus: 9 }, 'vcpus'],
  [{ memory_mb: 4097 }, 'memory_mb'],
  [{ memory_mb: 127 }, 'memory_mb'],
  [{ vcpus: 'x', memory_mb: -1 }, 'memory_mb'],
])('%j is refused with the name of the field, and the host is not asked', async (json, field) => {
  const { status, body } = await create(json)
  expect([status, body.error.code]).toEqual([400, 'invalid_request'])
  expect(body.error.message).toContain(field)
  expect(on.host.capsules.size).toBe(0)
})

test('a start that fails leaves a capsule in error, and its reason goes to the client', async () => {
  on.host.faults.failNext('start', new Problem('no_hosts_available', 'There is no room.', { hint: 'Delete some.' }))
  const { status, body, headers } = await create()
  expect([status, body.error.code, headers.get('retry-after')]).toEqual([503, 'no_hosts_available', '1'])
  expect(body.error).toMatchObject({ message: 'There is no room.', hint: 'Delete some.' })
  expect((await api.call('listCapsules')).body).toEqual([])
})

test('a start whose client hangs up is completed', async () => {
  const gate = on.host.faults.hold('start')
  const left = new AbortController()
  const asked = api.call('createCapsule', { json: {}, signal: left.signal }).catch(() => 'left')
  await expect.poll(() => gate.arrived).toBe(1)
  left.abort()
  expect(await asked).toBe('left')
  gate.open()
  await expect.poll(async () => (await api.call('listCapsules')).body[0].status).toBe('running')
})

test('a capsule that ends in the moment of its start is in error, not running for ever', async () => {
  const start = on.host.start.bind(on.host)
  on.host.start = async (spec) => {
    const started = await start(spec)
    on.host.end(spec.capsuleId, 'the kernel panicked')
    // The end is noted before the start is.
    await new Promise((resolve) => setTimeout(resolve, 20))
    return started
  }
  const { status, body } = await create()
  expect([status, body.error.code]).toEqual([503, 'host_unavailable'])
  expect(body.error.message).toContain('the kernel panicked')
  expect((await api.call('listCapsules')).body).toEqual([])
})

test('what the host cannot tell about the disk is left out', async () => {
  const { body } = await create()
  expect((await get(body.id)).disk_used_mb).toBe(1)
  on.host.faults.failNext('diskUsedBytes', new Error('broken'))
  expect(await get(body.id)).not.toHaveProperty('disk_used_mb')
})

test('a delete that fails may be tried again', async () => {
  const { id } = (await create()).body
  on.host.faults.failNext('destroy', new Problem('host_unavailable', 'It does not answer.'))
  expect((await remove(id)).body.error.code).toBe('host_unavailable')
  expect((await get(id)).status).toBe('running')
  expect((await remove(id)).status).toBe(204)
  expect((await remove(id)).status).toBe(204)
  expect((await get(id)).status).toBe('stopped')
})

test('two deletes at once are one', async () => {
  const { id } = (await create()).body
  const gate = on.host.faults.hold('destroy')
  const asked = [remove(id), remove(id)]
  await expect.poll(() => gate.arrived).toBe(1)
  gate.open()
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([204, 204])
  expect(gate.arrived).toBe(1)
})

test('a ping and a call inside are activity', async () => {
  const { id, last_active_at: first } = (await create()).body
  expect((await api.call('pingCapsule', { params: { id } })).status).toBe(204)
  const pinged = (await get(id)).last_active_at
  expect(pinged > first).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  await api.call('listProcesses', { params: { id } })
  expect((await get(id)).last_active_at > pinged).toBe(true)
})

test('how long the parts of a piece of work took is told in the form that browsers show', async () => {
  const created = await create()
  const start = /^restore;dur=1\.3, agent;dur=2, total;dur=[0-9.]+$/
  expect(created.headers.get('server-timing')).toMatch(start)
  const params = { id: created.body.id }
  const timing = async (name: RouteName, ask: object = { params }) =>
    (await api.call(name, ask)).headers.get('server-timing')
  const capture = /^pause;dur=12\.3, write;dur=5, /
  expect(await timing('forkCapsule')).toMatch(capture)
  expect(await timing('pauseCapsule')).toMatch(capture)
  expect(await timing('resumeCapsule')).toMatch(start)
  const json = { sandbox_id: params.id, keep_source: true }
  expect(await timing('createSnapshot', { json })).toMatch(capture)
  expect(await timing('createSnapshot', { json, headers: { 'idempotency-key': 'k' } })).toMatch(capture)
  for (const name of ['getCapsule', 'pingCapsule', 'deleteCapsule'] as const) expect(await timing(name)).toBeNull()
})

test('a capsule in error says why, and one that is well says nothing', async () => {
  const { id, ...body } = (await create()).body
  expect(body).not.toHaveProperty('reason')
  on.host.end(id, 'the kernel panicked')
  await expect.poll(async () => (await get(id)).reason).toBe('the kernel panicked')
  await remove(id)
  expect(await get(id)).not.toHaveProperty('reason')
})
