/** What becomes of a store whose file cannot be written: errors that say so, nothing half, and all is well once it can. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { newId, toProblem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore } from './open.js'
import { sqliteProblem } from './sqlite-problem.js'
import type { Key, Store } from './store.js'
import { now } from './time.js'

let dir: string
let store: Store
let database: Database.Database
const found = (one: Database.Database) => void (database = one)
describe('a file', () => {
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'wrenn-sqlite-'))
    const prototype = Database.prototype as unknown as { prepare: (sql: string) => unknown }
    const { prepare } = prototype
    prototype.prepare = function (this: Database.Database, sql) {
      found(this)
      return prepare.call(this, sql)
    }
    store = await openStore(join(dir, 'db'))
    prototype.prepare = prepare
  })
  afterEach(async () => {
    await store.close()
    await rm(dir, { recursive: true, force: true })
  })

  const key = (name = 'x'): Key => ({
    ...{ id: newId('key'), teamId: store.teams.defaultId, name, hash: newId('key'), prefix: 'wrn_', scope: 'admin' },
    ...{ createdAt: now(), expiresAt: null, lastUsedAt: null, revokedAt: null },
  })
  const keys = async () => (await store.keys.list(store.teams.defaultId)).map(({ name }) => name)

  test('a full database is insufficient_storage; of a transaction nothing is done, and afterwards all goes on', async () => {
    await store.keys.insert(key('first'))
    const [{ page_count: pages }] = database.pragma('page_count') as [{ page_count: number }]
    database.pragma(`max_page_count = ${pages}`)
    const big = 'x'.repeat(100_000)
    const full = { code: 'insufficient_storage', message: expect.stringContaining('database') as string }
    await expect(store.keys.insert(key(big))).rejects.toMatchObject(full)
    const both = store.transaction(async (within) => {
      await within.keys.insert(key('second'))
      await within.keys.insert(key(big))
    })
    await expect(both).rejects.toMatchObject(full)
    expect(await keys()).toEqual(['first'])
    database.pragma('max_page_count = 1000000')
    await store.transaction((within) => within.keys.insert(key('third')))
    expect(await keys()).toEqual(['third', 'first'])
  })

  test('one that may only be read is host_unavailable to who writes, and is read on', async () => {
    await store.keys.insert(key('first'))
    database.pragma('query_only = 1')
    await expect(store.keys.insert(key())).rejects.toMatchObject({ code: 'host_unavailable' })
    const writing = store.transaction((within) => within.keys.insert(key()))
    await expect(writing).rejects.toMatchObject({ code: 'host_unavailable' })
    expect(await keys()).toEqual(['first'])
    database.pragma('query_only = 0')
    await store.keys.insert(key('second'))
    expect(await keys()).toEqual(['second', 'first'])
  })
})

test.each([
  ['SQLITE_FULL', 'insufficient_storage'],
  ['SQLITE_BUSY', 'host_unavailable'],
  ['SQLITE_BUSY_SNAPSHOT', 'host_unavailable'],
  ['SQLITE_LOCKED', 'host_unavailable'],
  ['SQLITE_READONLY_DBMOVED', 'host_unavailable'],
  ['SQLITE_IOERR_WRITE', 'host_unavailable'],
  ['SQLITE_CONSTRAINT_UNIQUE', 'internal_error'],
  ['SQLITE_CORRUPT', 'internal_error'],
])('%s is %s to clients, who are told no path and no statement', (code, wanted) => {
  const problem = toProblem(sqliteProblem(Object.assign(new Error('/var/lib/x: disk I/O error'), { code })))
  expect(problem.code).toBe(wanted)
  expect(problem.message + problem.hint).not.toContain('/var')
})
