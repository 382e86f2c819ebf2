import { expect, test } from 'vitest'
import { Capsule, Template, WrennConflictError, WrennForkError } from './index.js'
import { failure, info, scripted } from './testing/scripted.js'

const api = scripted()

test('a capsule is created with what was given, and destroyed at the end of its scope', async () => {
  api.replies = [{ status: 201, json: info }, { status: 204 }]
  {
    await using made = await Capsule.create({
      ...api.options,
      template: 'base-python',
      vcpus: 2,
      memoryMb: 1024,
      metadata: { a: 'b' },
    })
    expect([made.id, made.status]).toEqual(['cl-1', 'running'])
    expect(api.lastJson()).toEqual({ template: 'base-python', vcpus: 2, memory_mb: 1024, metadata: { a: 'b' } })
    expect(api.seen[0]).toMatchObject({ method: 'POST', url: '/api/v1/capsules', headers: { 'x-api-key': 'wrn_key' } })
  }
  expect(api.seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/api/v1/capsules/cl-1' })
})

test('a snapshot becomes a template', async () => {
  const source = await api.capsule()
  api.replies = [{ status: 201, json: { name: 'n', size_bytes: 7 } }]
  const template = await source.createSnapshot({ name: 'n', overwrite: true, keepSource: true })
  expect(template.hooks).toEqual([])
  expect(template).toBeInstanceOf(Template)
  expect([template.name, template.sizeBytes, api.seen.at(-1)!.url]).toEqual([
    'n',
    7,
    '/api/v1/snapshots?overwrite=true',
  ])
  expect(api.lastJson()).toEqual({ sandbox_id: 'cl-1', name: 'n', keep_source: true })
  expect(source.status).toBe('running')
  await source.createSnapshot({ keepVersions: 5, expiresIn: 60 })
  expect(api.lastJson()).toEqual({ sandbox_id: 'cl-1', keep_versions: 5, expires_in: 60 })
  expect([api.seen.at(-1)!.url, source.status]).toEqual(['/api/v1/snapshots', 'stopped'])
})

test('a pause and a resume show in what is known of the capsule', async () => {
  const capsule = await api.capsule()
  const timing = { 'server-timing': 'capture;dur=4.5' }
  api.replies = [
    { json: { ...info, status: 'paused' }, headers: timing },
    { json: info },
    failure(409, 'invalid_state'),
  ]
  await capsule.pause()
  expect([capsule.status, capsule.timings]).toEqual(['paused', { capture: 4.5 }])
  await capsule.resume()
  expect([capsule.status, capsule.timings]).toEqual(['running', undefined])
  expect(api.seen.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /api/v1/capsules/cl-1/pause',
    'POST /api/v1/capsules/cl-1/resume',
  ])
  await expect(capsule.resume()).rejects.toBeInstanceOf(WrennConflictError)
  expect(capsule.status).toBe('running')
})

test('a fork gives its capsules in order', async () => {
  const capsule = await api.capsule()
  const forks = ['cl-2', 'cl-3', 'cl-4'].map((id) => ({ ...info, id }))
  api.replies = [{ status: 201, json: forks, headers: { 'server-timing': 'capture;dur=1, start;dur=2' } }]
  const made = await capsule.fork(3)
  expect(made.map(({ id }) => id)).toEqual(['cl-2', 'cl-3', 'cl-4'])
  expect(made[2]!.timings).toEqual({ capture: 1, start: 2 })
  expect([api.seen.at(-1)!.url, api.lastJson()]).toEqual(['/api/v1/capsules/cl-1/fork', { count: 3 }])
  api.replies = [{ status: 201, json: [forks[0]] }]
  expect(await api.client.capsules.fork('cl-1')).toHaveLength(1)
  expect(api.lastJson()).toEqual({ count: 1 })
})

test('a capsule is made with variables and a network of its own, and forks with theirs', async () => {
  api.replies = [{ status: 201, json: info }]
  const network = { internet: false, allow: ['*.example.org'] }
  const capsule = await api.client.capsules.create({ envs: { TOKEN: 'x' }, network })
  expect(api.lastJson()).toEqual({ envs: { TOKEN: 'x' }, network })
  api.replies = [{ status: 201, json: [info] }]
  await capsule.fork(2, { envs: {}, network: { deny: ['203.0.113.7'] } })
  expect(api.lastJson()).toEqual({ count: 2, envs: {}, network: { deny: ['203.0.113.7'] } })
  await api.client.capsules.fork('cl-1', 1, { network })
  expect(api.lastJson()).toEqual({ count: 1, network })
})

test('the network of a capsule is changed, which shows, and a lost connection is tried again', async () => {
  const capsule = await api.capsule()
  const network = { internet: true, allow: [], deny: ['example.org'] }
  api.replies = ['cut', { json: { ...info, network } }, failure(409, 'invalid_state')]
  await capsule.setNetwork({ deny: ['example.org'] })
  expect(api.seen.at(-1)).toMatchObject({ method: 'PUT', url: '/api/v1/capsules/cl-1/network' })
  expect(api.lastJson()).toEqual({ deny: ['example.org'] })
  expect(capsule.info.network).toEqual(network)
  await expect(capsule.setNetwork({})).rejects.toBeInstanceOf(WrennConflictError)
  expect(capsule.info.network).toEqual(network)
})

test('what a start renewed is told', async () => {
  const renewal = { at: '2030-01-01T00:00:00.000Z', renewed: ['clock'], clock_offset_ms: 1, hooks: [] }
  api.replies = [{ status: 201, json: { ...info, renewal } }]
  expect((await api.client.capsules.create()).info.renewal).toEqual(renewal)
})

test('a fork of which some did not start says which and why, and gives those that run', async () => {
  const capsule = await api.capsule()
  const forks = [
    { ...info, id: 'cl-2' },
    { ...info, id: 'cl-3', status: 'error', reason: 'No memory is left.' },
    { ...info, id: 'cl-4' },
  ]
  api.replies = [{ status: 201, json: forks }]
  const error: unknown = await capsule.fork(3).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(WrennForkError)
  const { message, code, capsules, failed } = error as WrennForkError
  expect([message, code]).toEqual(['1 of 3 capsules did not start: No memory is left.', 'fork_failed'])
  expect(capsules.map(({ id }) => id)).toEqual(['cl-2', 'cl-4'])
  expect(failed.map(({ id, info }) => [id, info.reason])).toEqual([['cl-3', 'No memory is left.']])
})
