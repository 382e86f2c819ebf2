/** A store of an earlier release is brought along. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId } from '@wrenn/wire'
import type { Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStore } from '../open.js'
import { openSqlite } from '../sqlite.js'
import { now } from '../time.js'
import { migrate } from './index.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-migrations-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

// The tables as they were: their types are of no use any more.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Old = Kysely<any>

async function first(fill: (db: Old, teamId: string) => Promise<void>): Promise<void> {
  const db = openSqlite(join(dir, 'db'))
  await migrate(db, '001-first')
  const { id } = await db.selectFrom('teams').select('id').where('name', '=', 'default').executeTakeFirstOrThrow()
  await fill(db, id)
  await db.destroy()
}

interface OldName {
  name: string
  versions: { number: number | null; state: string }[]
  meansLast?: boolean
}

async function addName(db: Old, teamId: string, { name, versions, meansLast = true }: OldName): Promise<void> {
  const templateId = newId('build')
  const rows = versions.map((version) => ({
    ...version,
    ...{ id: newId('build'), templateId, kind: 'snapshot', ref: newId('snapshot'), vcpus: 1, memoryMb: 512 },
    ...{ sizeBytes: 1, parent: 'minimal', sourceCapsuleId: null, metadata: '{}', createdAt: now() },
  }))
  const versionId = meansLast ? rows.at(-1)!.id : null
  await db
    .insertInto('templates')
    .values({ id: templateId, teamId, name, platform: 0, versionId, createdAt: now() })
    .execute()
  if (rows.length > 0) await db.insertInto('versions').values(rows).execute()
}

test('names keep what they mean, count on where they were, and have the usual rule', async () => {
  await first((db, teamId) =>
    addName(db, teamId, {
      name: 'a',
      versions: [
        { number: 3, state: 'retired' },
        { number: 4, state: 'ready' },
      ],
    }),
  )
  const store = await openStore(join(dir, 'db'))
  const found = await store.templates.find(store.teams.defaultId, 'a')
  expect(found).toMatchObject({ keepVersions: 3, expiresIn: null })
  expect(found?.version).toMatchObject({
    number: 4,
    damage: null,
    lastUsedAt: null,
    parentNumber: null,
    checkedAt: null,
  })
  expect((await store.names.find(store.teams.defaultId, 'a'))?.lastNumber).toBe(4)
  await store.close()
})

test('a name that was deleted while its files lingered is free', async () => {
  await first(async (db, teamId) => {
    await addName(db, teamId, { name: 'deleted', versions: [{ number: 2, state: 'retired' }], meansLast: false })
    await addName(db, teamId, { name: 'claimed', versions: [{ number: null, state: 'pending' }], meansLast: false })
    await addName(db, teamId, { name: 'nothing', versions: [], meansLast: false })
  })
  const store = await openStore(join(dir, 'db'))
  const find = (name: string) => store.names.find(store.teams.defaultId, name)
  expect(await find('deleted')).toBeUndefined()
  expect(await find('nothing')).toBeUndefined()
  expect(await find('claimed')).toMatchObject({ lastNumber: 0 })
  expect((await store.versions.removable()).map(({ number }) => number)).toEqual([2])
  await store.close()
})

test('capsules are as they were, none of them is paused, and their ports ask for nothing', async () => {
  const id = newId('capsule')
  await first(async (db, teamId) => {
    const at = now()
    const size = { vcpus: 1, memoryMb: 512, timeoutSec: 5, diskSizeMb: 0 }
    const row = { id, teamId, template: 'minimal', status: 'running', ...size, createdAt: at, lastUpdated: at }
    await db.insertInto('capsules').values(row).execute()
  })
  const store = await openStore(join(dir, 'db'))
  const found = await store.capsules.find(store.teams.defaultId, id)
  expect(found).toMatchObject({ status: 'running', timeoutSec: 5, snapshotId: null, proxyToken: null })
  expect(await store.capsules.pauses()).toEqual([])
  await store.close()
  await (await openStore(join(dir, 'db'))).close()
})
