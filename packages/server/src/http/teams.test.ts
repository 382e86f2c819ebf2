/** One team sees nothing of another's. */
import { newId, routes, type Route, type RouteName } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { otherKey } from '../testing/other-team.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ours: Api
let theirs: Api
let id: string
beforeAll(async () => {
  on = await serve()
  ours = new Api(on)
  const key = await otherKey(on.store)
  theirs = new Api({ url: on.url, key })
  id = (await ours.call('createCapsule', { json: {} })).body.id
  await ours.call('createSnapshot', { json: { sandbox_id: id, name: 'ours', keep_source: true } })
})
afterAll(() => on.end())

const onCapsules = (Object.entries(routes) as [RouteName, Route][]).filter(([, { path }]) =>
  path.includes('capsules/{id}'),
)

test.each(onCapsules)('%s answers as if the capsule were not there', async (name, { method, query }) => {
  const rest = { selector: 'x', port: '80' }
  const ask = {
    params: { id, ...rest },
    ...(query && 'path' in query.shape ? { query: '?path=/x' } : {}),
    ...(method === 'POST' ? { raw: '{' } : {}),
  }
  const { status, body } = await theirs.call(name, ask)
  expect([status, body.error.code]).toEqual([404, 'not_found'])
  const unknown = await theirs.call(name, { ...ask, params: { id: newId('capsule'), ...rest } })
  expect(body.error.message).toBe(unknown.body.error.message)
})

test('neither lists, templates nor keys reach over', async () => {
  expect((await theirs.call('listCapsules')).body).toEqual([])
  expect((await theirs.call('getSnapshot', { params: { name: 'ours' } })).status).toBe(404)
  expect((await theirs.call('deleteSnapshot', { params: { name: 'ours' } })).status).toBe(404)
  expect((await theirs.call('createCapsule', { json: { template: 'ours' } })).status).toBe(404)
  expect((await theirs.call('createSnapshot', { json: { sandbox_id: id } })).status).toBe(404)
  const [key] = (await ours.call('listKeys')).body
  expect((await theirs.call('revokeKey', { params: { id: key.id } })).status).toBe(404)
  expect((await theirs.call('listKeys')).body).toHaveLength(1)
})

test('and all is as it was', async () => {
  expect((await ours.call('getCapsule', { params: { id } })).body.status).toBe('running')
  expect((await ours.call('getSnapshot', { params: { name: 'ours' } })).status).toBe(200)
})
