/** Platform templates whose images are built while the server serves. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { MemoryHost } from '../testing/memory-host.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
beforeEach(async () => {
  const host = new MemoryHost()
  host.coming = ['later']
  on = await serve(host)
  api = new Api(on)
})
afterEach(() => on.end())

const create = async (template: string) => api.call('createCapsule', { json: { template } })
const names = async () => (await api.call('listSnapshots', {})).body.map(({ name }: { name: string }) => name)

test('a template that is being built is in no list, and a create says that it is to come', async () => {
  expect(await names()).not.toContain('later')
  const { status, body } = await create('later')
  expect(status).toBe(503)
  expect(body).toMatchObject({ error: { code: 'host_unavailable', hint: expect.stringContaining('Try again') } })
  expect((await create('never')).status).toBe(404)
})

test('it can be used as soon as it is there', async () => {
  on.host.build('later')
  await expect.poll(names).toContain('later')
  expect((await create('later')).status).toBe(201)
})

test('while its next image is being built, a template is not withdrawn; when that is given up, it is', async () => {
  on.host.build('later')
  await expect.poll(names).toContain('later')
  on.host.offered = on.host.offered.filter(({ name }) => name !== 'later')
  on.host.coming = ['later']
  await on.restart()
  expect(await names()).toContain('later')
  on.host.coming = []
  await on.restart()
  expect(await names()).not.toContain('later')
})
