/** The store on its own: what it promises to the services. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capsuleStatuses, nameSchema, newId, openNetwork, type CapsuleStatus } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { moves, operations, type MoveName, type Operation } from './moves.js'
import { openStore } from './open.js'
import type { Capsule, Store, Version } from './store.js'
import { now } from './time.js'

let dir: string
let store: Store
let teamId: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-store-'))
  store = await openStore(join(dir, 'db'))
  teamId = store.teams.defaultId
})
afterEach(async () => {
  await store.close()
  await rm(dir, { recursive: true, force: true })
})

function capsule(more: Partial<Capsule> = {}): Capsule {
  const at = now()
  const size = { vcpus: 1, memoryMb: 512, timeoutSec: 0, diskSizeMb: 0 }
  const times = { createdAt: at, startedAt: null, lastActiveAt: null, lastUpdated: at }
  const state = { status: 'running', operation: null, reason: null } as const
  const origin = {
    template: 'minimal',
    versionId: null,
    snapshotId: null,
    metadata: null,
    proxyToken: null,
    envs: null,
  }
  const own = { network: openNetwork, renewal: null }
  return { id: newId('capsule'), teamId, ...origin, ...own, ...state, ...size, ...times, ...more }
}

async function name(text: string): Promise<string> {
  const id = newId('build')
  const rule = { keepVersions: 3, expiresIn: null, lastNumber: 0 }
  await store.names.insert({ id, teamId, name: text, platform: 0, versionId: null, ...rule, createdAt: now() })
  return id
}

async function version(templateId: string, more: Partial<Version> = {}): Promise<string> {
  const id = newId('build')
  const kind = { kind: 'snapshot', ref: newId('snapshot'), state: 'pending', number: null } as const
  const facts = { vcpus: null, memoryMb: null, sizeBytes: 0, parent: null, sourceCapsuleId: null, metadata: {} }
  const later = { parentNumber: null, lastUsedAt: null, damage: null, checkedAt: null }
  await store.versions.insert({ id, templateId, ...kind, ...facts, ...later, createdAt: now(), ...more })
  return id
}

const ready = (id: string) =>
  store.versions.ready(id, { vcpus: 1, memoryMb: 2, sizeBytes: 2 ** 40, metadata: { a: 'b' }, createdAt: now() })

describe('the file', () => {
  test('is found again as it was left, and its teams stay the same', async () => {
    const kept = capsule({ metadata: { a: '', __proto__x: 'y' } })
    await store.capsules.insert(kept)
    const { teams } = store
    await store.close()
    store = await openStore(join(dir, 'db'))
    expect(store.teams).toEqual(teams)
    expect(await store.capsules.find(teamId, kept.id)).toEqual(kept)
  })

  test('has one server at a time', async () => {
    await expect(openStore(join(dir, 'db'))).rejects.toMatchObject({ code: 'conflict' })
  })

  test('that is none is refused, and so is a directory that is not there', async () => {
    const { writeFile } = await import('node:fs/promises')
    await writeFile(join(dir, 'other'), 'this is no database, and long enough to be told from an empty one'.repeat(100))
    await expect(openStore(join(dir, 'other'))).rejects.toThrow()
    await expect(openStore(join(dir, 'no', 'db'))).rejects.toThrow()
  })
})

describe('a transaction', () => {
  test('that throws leaves nothing, and its error passes', async () => {
    const row = capsule()
    const failing = store.transaction(async (within) => {
      await within.capsules.insert(row)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await store.capsules.find(teamId, row.id)).toBeUndefined()
  })

  test('is alone: what others ask meanwhile waits', async () => {
    const order: string[] = []
    const id = await name('a')
    const first = store.transaction(async (within) => {
      order.push('first begins')
      for (let i = 0; i < 5; i++) await within.names.find(teamId, 'a')
      await within.names.point(id, null)
      order.push('first ends')
    })
    const second = store.transaction(async () => void order.push('second'))
    await Promise.all([first, second])
    expect(order).toEqual(['first begins', 'first ends', 'second'])
  })
})

describe('the life of a capsule', () => {
  const underWay = [null, ...(Object.keys(operations) as Operation[])]

  test('has exactly the moves of the table, and each ends what was under way', async () => {
    for (const move of Object.keys(moves) as MoveName[]) {
      for (const status of capsuleStatuses) {
        for (const operation of underWay) {
          const row = capsule({ status, operation })
          await store.capsules.insert(row)
          const { from, during, to } = moves[move] as {
            from: readonly CapsuleStatus[]
            during: readonly (Operation | null)[]
            to: CapsuleStatus
          }
          const isLegal = from.includes(status) && during.includes(operation)
          const what = `${move} from ${status} during ${operation}`
          expect(await store.capsules.move(row.id, move, { reason: 'because' }), what).toBe(isLegal)
          const after = await store.capsules.find(teamId, row.id)
          const expected = isLegal
            ? { status: to, operation: null, reason: 'because' }
            : { status, operation, reason: null }
          expect(after, what).toMatchObject(expected)
        }
      }
    }
  })

  test('has one operation at a time, which only its own end ends', async () => {
    const row = capsule()
    await store.capsules.insert(row)
    expect(await store.capsules.begin(row.id, 'snapshot')).toBe(true)
    expect(await store.capsules.begin(row.id, 'snapshot')).toBe(false)
    expect(await store.capsules.begin(row.id, 'destroy')).toBe(false)
    await store.capsules.end(row.id, 'destroy')
    expect((await store.capsules.find(teamId, row.id))?.operation).toBe('snapshot')
    await store.capsules.end(row.id, 'snapshot')
    expect(await store.capsules.begin(row.id, 'destroy')).toBe(true)
  })

  test('is listed newest first, by team, without what has ended', async () => {
    const rows = capsuleStatuses.map((status) => capsule({ status }))
    for (const row of rows) await store.capsules.insert(row)
    const listed = (await store.capsules.listAlive(teamId)).map(({ status }) => status)
    expect(listed).toEqual(['missing', 'hibernated', 'paused', 'running', 'starting', 'pending'])
    expect(await store.capsules.listAlive(store.teams.platformId)).toEqual([])
    expect(await store.capsules.find(store.teams.platformId, rows[0]!.id)).toBeUndefined()
    const unsettled = (await store.capsules.unsettled()).map(({ status }) => status).sort()
    expect(unsettled).toEqual(['running', 'starting'])
  })
})

describe('versions', () => {
  test('are counted by name, in the order in which they become ready', async () => {
    const [a, b] = [await name('a'), await name('b')]
    const [first, second, other] = [await version(a), await version(a), await version(b)]
    for (const id of [second, other, first]) await ready(id)
    const numbers = await Promise.all([first, second, other].map(async (id) => (await store.versions.get(id))?.number))
    expect(numbers).toEqual([2, 1, 1])
    expect(await store.versions.get(first)).toMatchObject({ state: 'ready', sizeBytes: 2 ** 40, metadata: { a: 'b' } })
  })

  test('are no one’s while they are pending, and need their files from when they are ready', async () => {
    const a = await name('a')
    const id = await version(a)
    expect((await store.versions.pending(a)).map((one) => one.id)).toEqual([id])
    expect(await store.versions.pending(await name('b'))).toEqual([])
    expect(await store.templates.find(teamId, 'a')).toBeUndefined()
    expect(await store.versions.snapshotIds()).toEqual([])
    await ready(id)
    await store.names.point(a, id)
    expect(await store.templates.find(teamId, 'a')).toMatchObject({ name: 'a', platform: false, version: { id } })
    expect(await store.versions.snapshotIds()).toHaveLength(1)
  })

  test('that are retired may be removed unless a capsule is starting from them', async () => {
    const a = await name('a')
    const id = await version(a)
    await ready(id)
    const row = capsule({ status: 'starting', versionId: id })
    await store.capsules.insert(row)
    expect(await store.versions.removable()).toEqual([])
    await store.versions.retire(id)
    expect(await store.versions.removable()).toEqual([])
    await store.capsules.move(row.id, 'started')
    expect((await store.versions.removable()).map((one) => one.id)).toEqual([id])
    await store.names.removeIfUnused(a)
    expect(await store.names.find(teamId, 'a')).toBeDefined()
    await store.versions.remove(id)
    await store.names.removeIfUnused(a)
    expect(await store.names.find(teamId, 'a')).toBeUndefined()
    expect((await store.capsules.find(teamId, row.id))?.versionId).toBeNull()
  })

  test('never get a number twice under one name, whatever was removed', async () => {
    const a = await name('a')
    const [first, second] = [await version(a), await version(a)]
    await ready(first)
    await ready(second)
    await store.versions.remove(second)
    const third = await version(a)
    await ready(third)
    expect((await store.versions.get(third))?.number).toBe(3)
    expect((await store.versions.kept(a)).map(({ number }) => number)).toEqual([3, 1])
    expect(await store.versions.numbered(a, 2)).toBeUndefined()
    await store.versions.retire(first)
    expect(await store.versions.numbered(a, 1)).toBeUndefined()
  })

  test('of a buried name stay with it, and the name is free', async () => {
    const a = await name('a')
    const id = await version(a)
    await ready(id)
    await store.names.point(a, id)
    await store.versions.retire(id)
    await store.names.bury(a)
    expect(await store.names.find(teamId, 'a')).toBeUndefined()
    expect(nameSchema.safeParse((await store.names.get(a))!.name).success).toBe(false)
    const next = await name('a')
    const made = await version(next)
    await ready(made)
    expect((await store.versions.get(made))?.number).toBe(1)
    expect((await store.versions.removable()).map((one) => one.id)).toEqual([id])
  })

  test('are checked in turn: the one that was checked or made the longest ago is next', async () => {
    const a = await name('a')
    const ids = [await version(a), await version(a)]
    for (const id of ids) await ready(id)
    expect((await store.versions.leastChecked())?.id).toBe(ids[0])
    await store.versions.checked(ids[0]!, now())
    expect((await store.versions.leastChecked())?.id).toBe(ids[1])
    for (const id of ids) await store.versions.retire(id)
    expect(await store.versions.leastChecked()).toBeUndefined()
  })
})

describe('answers', () => {
  const answer = (idempotencyKey: string, createdAt: string) => ({
    ...{ keyId: 'key-1', idempotencyKey, begun: null, request: 'r', sealed: 's' },
    createdAt,
  })

  test('are one for each key of each caller, and go by their age', async () => {
    const [old, young] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']
    await store.answers.put(answer('a', old))
    await store.answers.put(answer('b', young))
    await store.answers.put({ ...answer('a', old), sealed: 'new' })
    expect(await store.answers.find('key-1', 'a')).toMatchObject({ sealed: 'new' })
    expect(await store.answers.find('key-2', 'a')).toBeUndefined()
    expect(await store.answers.oldest()).toBe(old)
    await store.answers.forget(old)
    expect(await store.answers.find('key-1', 'a')).toBeUndefined()
    expect(await store.answers.oldest()).toBe(young)
  })
})

test('times never repeat, and their order is that of their text', () => {
  const times = Array.from({ length: 5000 }, now)
  expect(new Set(times).size).toBe(5000)
  expect(times.toSorted()).toEqual(times)
})

test('times follow a clock that is set back', () => {
  const real = Date.now
  try {
    const before = now()
    Date.now = () => real() - 86_400_000
    expect(now() < before).toBe(true)
  } finally {
    Date.now = real
  }
})
