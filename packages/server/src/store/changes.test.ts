/** What the store tells of changes, and when. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newCapsule } from '../services/capsule.js'
import { openStore } from './open.js'
import type { Store } from './store.js'

let dir: string
let store: Store
let told: string[]
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-changes-'))
  store = await openStore(join(dir, 'db'))
  told = []
  store.onChange(({ capsule: { id, status }, from, move }) => told.push(`${id} ${from}>${status} ${move}`))
})
afterEach(async () => {
  await store.close()
  await rm(dir, { recursive: true, force: true })
})

async function starting(): Promise<string> {
  const { defaultId: teamId } = store.teams
  const size = { vcpus: 1, memoryMb: 512, timeoutSec: 0 }
  const capsule = newCapsule({
    teamId,
    template: 'minimal',
    versionId: null,
    ...size,
    metadata: null,
    network: openNetwork,
  })
  await store.capsules.insert(capsule)
  return capsule.id
}

test('a move is told when it was made, and one that is not legal is none', async () => {
  const id = await starting()
  expect(await store.capsules.move(id, 'paused')).toBe(false)
  expect(await store.capsules.move(newId('capsule'), 'started')).toBe(false)
  expect(told).toEqual([])
  expect(await store.capsules.move(id, 'started')).toBe(true)
  expect(told).toEqual([`${id} starting>running started`])
})

test('what a transaction does is told when it is committed, in its order', async () => {
  const [a, b] = [await starting(), await starting()]
  await store.transaction(async (within) => {
    await within.capsules.move(b, 'started')
    within.afterCommit(() => told.push('between'))
    await within.capsules.move(a, 'startFailed')
    expect(told).toEqual([])
  })
  expect(told).toEqual([`${b} starting>running started`, 'between', `${a} starting>error startFailed`])
})

test('what is rolled back is not told', async () => {
  const id = await starting()
  const failing = store.transaction(async (within) => {
    await within.capsules.move(id, 'started')
    within.afterCommit(() => told.push('never'))
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(told).toEqual([])
  expect((await store.capsules.find(store.teams.defaultId, id))?.status).toBe('starting')
})

test('moves that are made at once are told in the order in which they are stored', async () => {
  const ids = await Promise.all(Array.from({ length: 10 }, starting))
  await Promise.all([
    ...ids.map((id) => store.capsules.move(id, 'started')),
    ...ids.map((id) => store.capsules.move(id, 'lost', { reason: 'x' })),
    ...ids.map((id) => store.transaction((within) => within.capsules.move(id, 'endedByItself'))),
  ])
  for (const id of ids)
    expect(told.filter((one) => one.startsWith(id))).toEqual([
      `${id} starting>running started`,
      `${id} running>missing lost`,
    ])
})

test('a transaction within a transaction is refused rather than waited for', async () => {
  await expect(store.transaction((within) => within.transaction(async () => {}))).rejects.toThrow('within')
})
