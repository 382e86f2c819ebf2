import { expect, test } from 'vitest'
import { Capsule, Template, WrennConflictError, WrennNotFoundError } from './index.js'
import { failure, info, scripted } from './testing/scripted.js'

const api = scripted()
const body = { name: 'n', version: 3, size_bytes: 7 }

async function template(): Promise<Template> {
  api.replies = [{ json: body }]
  return Template.get('n', api.options)
}
const asked = () => api.seen.map(({ method, url }) => `${method} ${url.replace('/api/v1/snapshots/', '')}`).slice(1)

test('the versions of a template are told, and which of them its name means', async () => {
  const one = await template()
  const versions = [
    { ...body, current: true },
    { ...body, version: 2, current: false },
  ]
  api.replies = [{ json: versions }]
  expect(await one.versions()).toEqual(versions)
  expect(await api.client.templates.versions('a b')).toEqual(versions)
  expect(asked()).toEqual(['GET n/versions', 'GET a%20b/versions'])
})

test('what programs did before the snapshot is told', async () => {
  const source = await api.capsule()
  const hooks = [{ name: '10-flush', exit_code: 0, timed_out: false, duration_ms: 4, output: '' }]
  api.replies = [{ status: 201, json: { ...body, hooks } }]
  expect((await source.createSnapshot()).hooks).toEqual(hooks)
})

test('a name is moved back, by one or to a given version', async () => {
  const one = await template()
  api.replies = [{ json: { ...body, version: 2 } }]
  expect((await one.rollback()).version).toBe(2)
  expect(api.lastJson()).toEqual({})
  await one.rollback(2)
  expect(api.lastJson()).toEqual({ version: 2 })
  expect([one.version, asked()]).toEqual([3, ['POST n/rollback', 'POST n/rollback']])
})

test('a rollback by one is not asked for twice, one to a given version may be', async () => {
  await template()
  api.replies = ['cut']
  await expect(api.client.templates.rollback('n')).rejects.toThrow()
  expect(asked()).toHaveLength(1)
  api.replies = ['cut', { json: body }]
  await api.client.templates.rollback('n', 3)
  expect(asked()).toHaveLength(3)
})

test('a verification tells of damage without failing', async () => {
  const one = await template()
  const found = { name: 'n', version: 2, ok: false, parts: [{ name: 'memory', bytes: 9, ok: false, problem: 'short' }] }
  api.replies = [{ json: found }]
  expect(await one.verify(2)).toEqual(found)
  expect(api.lastJson()).toEqual({ version: 2 })
  await api.client.templates.verify('n')
  expect(api.lastJson()).toEqual({})
})

test('an old version is deleted, the present one is not', async () => {
  const one = await template()
  api.replies = [{ status: 204 }, failure(409, 'conflict'), failure(404, 'not_found')]
  await one.deleteVersion(2)
  expect(asked()).toEqual(['DELETE n/versions/2'])
  await expect(one.deleteVersion(3)).rejects.toBeInstanceOf(WrennConflictError)
  await expect(api.client.templates.deleteVersion('n', 9)).rejects.toBeInstanceOf(WrennNotFoundError)
})

test('a capsule starts from one version as from a name', async () => {
  api.replies = [{ status: 201, json: { ...info, template: 'n@3' } }]
  const capsule = await Capsule.create({ ...api.options, template: 'n@3' })
  expect([api.lastJson(), capsule.info.template]).toEqual([{ template: 'n@3' }, 'n@3'])
})

test('how long a capture took is told where the server tells it', async () => {
  const capsule = await api.capsule()
  api.replies = [{ status: 201, json: body, headers: { 'server-timing': 'pause;dur=12, total;dur=80.5' } }]
  expect((await capsule.createSnapshot()).timings).toEqual({ pause: 12, total: 80.5 })
  expect((await template()).timings).toBeUndefined()
})
