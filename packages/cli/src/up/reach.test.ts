/** What has to be there before other machines reach a server. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '@wrenn/server'
import { newKey } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openBoxStore } from './box.js'
import { makeFirstKey } from './first-key.js'
import { assertKeyed, warningOf } from './reach.js'
import { SettingsError } from './settings.js'
import { up } from './up.js'

let dir: string
let store: Store
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-reach-'))
  store = await openBoxStore(dir, '0.0.0-test')
})
afterEach(async () => {
  await store.close()
  await rm(dir, { recursive: true, force: true })
})

const settings = (host: string, more: object = {}) => ({
  ...{ listen: { host, port: 8080 }, firstKey: undefined, tls: undefined, trustedProxies: [] },
  ...more,
})
const file = () => join(dir, 'api-key')
const make = (wanted?: string) => makeFirstKey({ store, file: file(), wanted })
const keys = () => store.keys.list(store.teams.defaultId)
const revokeAll = async () => {
  for (const { id, teamId } of await keys()) await store.keys.revoke({ teamId, id, at: new Date().toISOString() })
}

describe('beyond this machine', () => {
  test('nothing is listened on before there is a key, and it is told how to get one', async () => {
    const refused = await assertKeyed(settings('0.0.0.0'), store).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(SettingsError)
    expect(String(refused)).toMatch(/WRENN_LISTEN.*0\.0\.0\.0.*WRENN_LISTEN=127\.0\.0\.1:8080.*WRENN_API_KEY/)
  })

  test('a key that was made before, or is named now, is enough; one that was revoked is not', async () => {
    await assertKeyed(settings('0.0.0.0', { firstKey: newKey() }), store)
    await make()
    await assertKeyed(settings('::'), store)
    await revokeAll()
    await expect(assertKeyed(settings('::'), store)).rejects.toBeInstanceOf(SettingsError)
  })

  test('a key that is named but was revoked is refused', async () => {
    const wanted = newKey()
    await make(wanted)
    await revokeAll()
    await expect(make(wanted)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('`wrenn up` ends with that, before it builds anything, and leaves no key behind', async () => {
    await store.close()
    const said = vi.spyOn(console, 'error').mockReturnValue()
    const env = { WRENN_LISTEN: '192.0.2.1:0', WRENN_DATA_DIR: dir, WRENN_AGENT: '/dev/null' }
    expect(await up(env)).toBe(1)
    expect(said.mock.calls.join()).toContain('no API key is usable here')
    said.mockRestore()
    await expect(stat(file())).rejects.toThrow('ENOENT')
    store = await openBoxStore(dir, '0.0.0-test')
    expect(await keys()).toEqual([])
  })
})

describe('on this machine', () => {
  test('no key is needed before, and the first start makes one', async () => {
    for (const host of ['127.0.0.1', '::1', 'localhost']) await assertKeyed(settings(host), store)
    const key = await make()
    expect((await readFile(file(), 'utf8')).trim()).toBe(key)
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    expect(await make()).toBeUndefined()
  })

  test('a key that waits in the file since a crash is taken; one that was revoked is replaced', async () => {
    const waiting = newKey()
    await writeFile(file(), `${waiting}\n`)
    expect(await make()).toBe(waiting)
    await revokeAll()
    const next = await make()
    expect(next).not.toBe(waiting)
    expect((await readFile(file(), 'utf8')).trim()).toBe(next)
  })
})

test('keys that can be read on the way are warned of: with TLS, behind a proxy or on this machine they cannot', () => {
  expect(warningOf(settings('0.0.0.0'))).toMatch(/WRENN_TLS_CERT.*WRENN_TRUSTED_PROXIES/)
  expect(warningOf(settings('127.0.0.1'))).toBeUndefined()
  expect(warningOf(settings('0.0.0.0', { tls: { cert: '/c', key: '/k' } }))).toBeUndefined()
  expect(warningOf(settings('0.0.0.0', { trustedProxies: ['10.0.0.1'] }))).toBeUndefined()
})
