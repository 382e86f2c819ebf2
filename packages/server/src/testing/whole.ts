/** What there is on a server, as its clients see it, and whether all of it is whole. */
import type { CapsuleBody, KeyBody, TemplateBody } from '@wrenn/wire'
import { expect } from 'vitest'
import { Ask } from './ask.js'
import type { Serving } from './serve.js'

/** Without what is new each time: ids, times and names that nobody chose. In an order of its own. */
export async function whatIsThere(on: Serving): Promise<object> {
  const ask = new Ask(on)
  await expect.poll(() => on.store.versions.removable(), { interval: 5 }).toEqual([])
  const capsules = []
  for (const { id, status, template, metadata, reason, network } of await alive(ask)) {
    const text = status === 'paused' ? await pausedText(on, id) : ask.read(id)
    capsules.push({ status, template, metadata, reason, network, text })
  }
  const templates = []
  for (const { name } of await own(ask)) {
    const versions = await ask.numbers(name)
    templates.push({
      name: name.replace(/^template-[0-9a-f]{8}$/, 'template-…'),
      versions,
      texts: await texts(on, name),
    })
  }
  const keys = ((await ask.api.call('listKeys')).body as KeyBody[]).map(({ name }) => name)
  return { capsules: capsules.toSorted(inOrder), templates: templates.toSorted(inOrder), keys: keys.toSorted() }
}

/** What is there is in no way other than afterwards; some of it may be missing that was not there before either. */
export function expectPart(there: object, { before, after }: { before: object; after: object }): void {
  const capsulesOf = (what: object) => (what as { capsules: object[] }).capsules
  expect({ ...there, capsules: [] }).toEqual({ ...after, capsules: [] })
  expect(capsulesOf(there)).toEqual(expect.arrayContaining(capsulesOf(before)))
  for (const capsule of capsulesOf(there)) expect(capsulesOf(after)).toContainEqual(capsule)
  expect(capsulesOf(there).length).toBeLessThanOrEqual(capsulesOf(after).length)
}

/** Nothing is on the host that the store does not know, nor the other way round; and nothing is under way. */
export async function audit({ host, store }: Serving): Promise<void> {
  await expect.poll(() => store.versions.removable(), { interval: 5 }).toEqual([])
  const unsettled = await store.capsules.unsettled()
  expect(unsettled.map(({ status, operation }) => ({ status, operation }))).toEqual(
    unsettled.map(() => ({ status: 'running', operation: null })),
  )
  expect(await store.versions.pending()).toEqual([])
  expect([...host.capsules.keys()].toSorted()).toEqual(unsettled.map(({ id }) => id).toSorted())
  expect([...host.capsules.values()].filter(({ isHeld }) => isHeld)).toEqual([])
  const known = [...(await store.versions.snapshotIds()), ...(await store.capsules.pauses())]
  expect([...host.snapshots.keys()].toSorted()).toEqual(known.toSorted())
}

/** The next thing can be done to each; afterwards nothing is left. */
export async function useAndRemove(on: Serving): Promise<void> {
  const ask = new Ask(on)
  for (const { name } of await own(ask)) await useTemplate(on, name)
  for (const { id, status } of await alive(ask)) {
    const note = status === 'paused' ? await pausedText(on, id) : ask.read(id)
    if (status === 'running') expect((await ask.pause(id)).status).toBe(200)
    expect((await ask.resume(id)).status).toBe(200)
    expect(ask.read(id)).toBe(note)
    expect((await ask.fork(id)).status).toBe(201)
    const made = await ask.snapshot({ sandbox_id: id, name: 'afterwards', keep_source: true }, '?overwrite=true')
    expect(made.status).toBe(201)
    expect((await ask.snapshot({ sandbox_id: id, name: 'afterwards' }, '?overwrite=true')).status).toBe(201)
  }
  expect((await ask.api.call('capsuleUsage')).status).toBe(200)
  for (const { id } of await alive(ask)) expect((await ask.remove(id)).status).toBe(204)
  for (const { name } of await own(ask)) expect((await ask.removeTemplate(name)).status).toBe(204)
  await audit(on)
  expect([on.host.capsules.size, on.host.snapshots.size]).toEqual([0, 0])
}

/** Each version starts, as what was captured; and the name takes another. */
async function useTemplate(on: Serving, name: string): Promise<void> {
  const ask = new Ask(on)
  const numbers = (await ask.numbers(name)).map((number) => Number.parseInt(String(number)))
  const expected = await texts(on, name)
  for (const [i, number] of numbers.entries()) {
    const id = await ask.capsule({ template: `${name}@${number}` })
    expect(ask.read(id)).toBe(expected[i])
    await ask.remove(id)
  }
  expect((await ask.made(name, 'another')).version).toBeGreaterThan(Math.max(...numbers))
}

const alive = async (ask: Ask) => (await ask.api.call('listCapsules')).body as CapsuleBody[]
const own = async (ask: Ask) =>
  ((await ask.api.call('listSnapshots')).body as TemplateBody[]).filter(({ platform }) => !platform)

async function pausedText({ host, store }: Serving, id: string): Promise<string | undefined> {
  const row = await store.capsules.ofAnyTeam(id)
  return host.snapshots
    .get(row?.snapshotId ?? '')
    ?.files.get('/note')
    ?.toString()
}

/** Of the versions of a name, newest first. */
async function texts({ host, store }: Serving, name: string): Promise<(string | undefined)[]> {
  const row = await store.names.find(store.teams.defaultId, name)
  const versions = await store.versions.kept(row!.id)
  return versions.map(({ ref }) => host.snapshots.get(ref)?.files.get('/note')?.toString())
}

function inOrder(one: object, other: object): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1
}
