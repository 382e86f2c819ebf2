import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKey } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStore } from '../store/open.js'
import type { Store } from '../store/store.js'
import { ensureFirstKey } from './keys.js'

let dir: string
let store: Store
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-keys-'))
  store = await openStore(join(dir, 'db'))
})
afterEach(async () => {
  await store.close()
  await rm(dir, { recursive: true, force: true })
})

const all = () => store.keys.list(store.teams.defaultId)

test('an empty store is given one key, and a store with keys none', async () => {
  expect(await ensureFirstKey({ store })).toMatch(/^wrn_[0-9a-f]{32}$/)
  expect(await ensureFirstKey({ store, wanted: newKey() })).toBeUndefined()
  expect(await all()).toHaveLength(1)
})

test('the first key may be chosen, if it has the form of one', async () => {
  for (const wanted of ['', 'secret', `wrn_${'A'.repeat(32)}`, `${newKey()}\n`]) {
    await expect(ensureFirstKey({ store, wanted })).rejects.toMatchObject({ code: 'invalid_request' })
  }
  const wanted = newKey()
  expect(await ensureFirstKey({ store, wanted })).toBe(wanted)
})

test('a chosen key that was revoked does not come back', async () => {
  const wanted = newKey()
  await ensureFirstKey({ store, wanted })
  const { id, teamId } = (await all())[0]!
  await store.keys.revoke({ teamId, id, at: new Date().toISOString() })
  await expect(ensureFirstKey({ store, wanted })).rejects.toMatchObject({ code: 'conflict' })
})

test('the file holds a key’s hash and its first ten characters, never the key', async () => {
  const key = (await ensureFirstKey({ store }))!
  expect((await all())[0]).toMatchObject({ prefix: key.slice(0, 10), hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
  await store.close()
  const bytes = await readFile(join(dir, 'db'), 'latin1')
  expect(bytes).toContain(key.slice(0, 10))
  // What follows the prefix in the file may happen to begin as the key goes on.
  expect(bytes).not.toContain(key.slice(0, 16))
  store = await openStore(join(dir, 'db'))
})
