import { expect, test } from 'vitest'
import { Wrenn } from './index.js'
import { info, scripted } from './testing/scripted.js'

const api = scripted()

test('a capsule tells the URLs of its ports, and the token that they ask for where they do', async () => {
  api.replies = [{ status: 201, json: { ...info, proxy_token: 'secret' } }]
  const client = new Wrenn({ ...api.options, proxyDomain: 'ports.example' })
  const capsule = await client.capsules.create({ proxyAuth: true })
  expect(api.lastJson()).toEqual({ proxy_auth: true })
  expect([capsule.getUrl(3000), capsule.proxyToken]).toEqual(['http://3000-cl-1.ports.example', 'secret'])
  const other = await api.capsule()
  expect(other.proxyToken).toBeUndefined()
  expect(other.getUrl(3000)).toMatch(/^http:\/\/3000-cl-1\.localhost:\d+$/)
})

test('what is used is told of a capsule and of a team', async () => {
  const capsule = await api.capsule()
  api.replies = [{ json: { points: [] } }]
  await capsule.metrics({ range: '1h' })
  await capsule.metrics()
  await api.client.capsules.stats({ range: '30d' })
  await api.client.capsules.usage({ from: '2030-01-01', to: '2030-01-31' })
  expect(api.seen.slice(1).map(({ url }) => url)).toEqual([
    '/api/v1/capsules/cl-1/metrics?range=1h',
    '/api/v1/capsules/cl-1/metrics',
    '/api/v1/capsules/stats?range=30d',
    '/api/v1/capsules/usage?from=2030-01-01&to=2030-01-31',
  ])
})
