import { expect, test } from 'vitest'
import { capsuleBody } from '../testing/bodies.js'
import { scripted } from '../testing/scripted.js'

const api = scripted()

test('a capsule is started from one version, with a time in words', async () => {
  api.script = { 'POST /v1/capsules': { status: 201, json: capsuleBody({ template: 'trained@3' }) } }
  const argv = ['capsule', 'create', '-t', 'trained@3', '--timeout', '5m', '-l', 'a=b', '--idempotency-key', 'job-7']
  expect(await api.wrenn(argv)).toEqual({ code: 0, out: 'cl-1\n', err: '' })
  expect(api.asked[0]).toMatchObject({
    json: { template: 'trained@3', timeout_sec: 300, metadata: { a: 'b' } },
    headers: { 'idempotency-key': 'job-7' },
  })
})

test('a time may be plain seconds, and nonsense is refused', async () => {
  api.script = { 'POST /v1/capsules': { status: 201, json: capsuleBody() } }
  await api.wrenn(['capsule', 'create', '--timeout', '90'])
  expect(api.asked[0]!.json).toEqual({ template: 'minimal', timeout_sec: 90 })
  const { code, err } = await api.wrenn(['capsule', 'create', '--timeout', 'soon'])
  expect([code, err]).toEqual([2, expect.stringContaining('It must be a time like 30s, 5m, 2h, 30d, or seconds.')])
})

test('why a capsule is in error is shown', async () => {
  api.script = { 'GET /v1/capsules/cl-1': { json: capsuleBody({ status: 'error', reason: 'The vmm ended.' }) } }
  expect((await api.wrenn(['capsule', 'show', 'cl-1'])).out).toMatch(/^reason +The vmm ended\.$/m)
})
