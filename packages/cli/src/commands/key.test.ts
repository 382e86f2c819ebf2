import { beforeEach, expect, test } from 'vitest'
import { scripted } from '../testing/scripted.js'

const api = scripted()
const body = { id: 'key-1', name: 'ci', key_prefix: 'wrn_abcdef', scope: 'run', created_at: new Date().toISOString() }
const later = new Date(Date.now() + 90_000_000).toISOString()

beforeEach(() => {
  api.script = {
    'POST /v1/api-keys': { status: 201, json: { ...body, key: 'wrn_secret' } },
    'GET /v1/api-keys': { json: [body, { ...body, expires_at: later, last_used: body.created_at }] },
    'DELETE /v1/api-keys/key-1': { status: 204 },
  }
})

test('a key is made of a scope and for a time, and shown alone', async () => {
  const { code, out } = await api.wrenn(['keys', 'create', 'ci', '--scope', 'run', '--expires-in', '30d'])
  expect([code, out]).toEqual([0, 'wrn_secret\n'])
  expect(api.asked[0]!.json).toEqual({ name: 'ci', scope: 'run', expires_in: 2_592_000 })
})

test('nothing said is left to the server; the older word is known too', async () => {
  expect((await api.wrenn(['key', 'create'])).code).toBe(0)
  expect(api.asked[0]!.json).toEqual({})
})

test('a scope that does not exist is refused before anything is asked', async () => {
  const { code, err } = await api.wrenn(['keys', 'create', '--scope', 'all'])
  expect([code, api.asked]).toEqual([2, []])
  expect(err).toContain('read, run, admin')
})

test('the list shows what keys may do, when they end and when they were last used', async () => {
  const { out } = await api.wrenn(['keys', 'list'])
  expect(out).toMatch(/^ID +NAME +KEY +SCOPE +AGE +EXPIRES IN +LAST USED\n/)
  expect(out).toMatch(/\nkey-1 +ci +wrn_abcdef… +run +\d s +never +never\n/)
  expect(out).toMatch(/\nkey-1 +ci +wrn_abcdef… +run +\d s +1 d +\d s\n$/)
})

test('a key is revoked by its id', async () => {
  expect((await api.wrenn(['keys', 'revoke', 'key-1'])).code).toBe(0)
  expect(api.calls()).toEqual(['DELETE /v1/api-keys/key-1'])
})
