/** What clients hear of what happens. */
import { Problem } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { EventReader } from '../testing/event-reader.js'
import { otherKey } from '../testing/other-team.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
let reader: EventReader
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  reader = await EventReader.open(on)
})
afterEach(async () => {
  reader.close()
  await on.end()
})

const last = (event: string, id: string) =>
  reader.until((one) => one.event === event && one.resource.id === id && one.outcome !== undefined)
const failed = (event: string) => reader.until((one) => one.event === event && one.outcome === 'error')
const hostFails = () => new Problem('host_unavailable', 'The host failed.')

test('it begins with "connected", which is of the team, and is kept back by nobody', async () => {
  expect(reader.events[0]).toMatchObject({
    event: 'connected',
    resource: { id: on.store.teams.defaultId, type: 'team' },
    actor: { type: 'system' },
  })
  expect(reader.headers.get('content-type')).toContain('text/event-stream')
  expect(reader.headers.get('cache-control')).toBe('no-store')
})

test('a comment comes every half minute', async () => {
  on.clock.advance(31)
  await expect.poll(() => reader.comments).toBe(1)
})

test('nobody hears anything without a key', async () => {
  const answer = await ask.api.send('GET', '/v1/events/stream', { headers: { 'x-api-key': 'x' } })
  expect(answer.status).toBe(401)
})

test('a key that is revoked hears no more, and others do', async () => {
  const { id, key } = (await ask.api.call('createKey', { json: {} })).body
  const other = await EventReader.open({ url: on.url, key })
  await ask.api.call('revokeKey', { params: { id } })
  await expect.poll(() => other.hasEnded).toBe(true)
  await last('capsule.create', await ask.capsule())
})

test('the whole life of a capsule is told, with who did it and how the capsule was then', async () => {
  const [{ id: keyId }] = (await ask.api.call('listKeys')).body
  const id = await ask.capsule()
  await ask.pause(id)
  await ask.resume(id)
  await ask.remove(id)
  const end = await last('capsule.destroy', id)
  expect(reader.of(id)).toEqual([
    ...['starting>running', 'capsule.create success'],
    ...['running>paused', 'capsule.pause success'],
    ...['paused>running', 'capsule.resume success'],
    ...['running>stopped', 'capsule.destroy success'],
  ])
  const mine = reader.events.filter(({ resource }) => resource.id === id)
  expect(mine.map(({ sandbox }) => sandbox?.status)).toEqual(
    ['running', 'paused', 'running', 'stopped'].flatMap((status) => [status, status]),
  )
  for (const { actor } of mine) expect(actor).toEqual({ type: 'api_key', id: keyId, name: 'first' })
  expect(end.resource).toEqual({ id, type: 'capsule' })
  const numbers = reader.events.map((event) => Number(event.id.split('-')[1]))
  expect(numbers).toEqual(numbers.map((_, i) => i))
})

describe('what fails is told', () => {
  test('of a start, with its error', async () => {
    on.host.faults.failNext('start', hostFails())
    await ask.api.call('createCapsule', { json: {} })
    const { resource, sandbox, error } = await failed('capsule.create')
    expect(sandbox?.status).toBe('error')
    expect(error).toBe('The host failed.')
    expect(reader.of(resource.id)).toEqual(['starting>error', 'capsule.create error The host failed.'])
    expect(reader.events.at(-2)!.metadata).toMatchObject({ reason: 'The host failed.' })
  })

  test('of a pause, a resume, a destruction and a snapshot, which change nothing', async () => {
    const id = await ask.capsule()
    on.host.faults.failNext('capture', new Error('secret'))
    await ask.pause(id)
    const { error, sandbox } = await failed('capsule.pause')
    expect(error).not.toContain('secret')
    expect(sandbox?.status).toBe('running')
    on.host.faults.failNext('capture', hostFails())
    await ask.snapshot({ sandbox_id: id, name: 'a' })
    expect(await failed('template.snapshot.create')).toMatchObject({ resource: { id: 'a', type: 'template' } })
    await ask.pause(id)
    on.host.faults.failNext('start', hostFails())
    await ask.resume(id)
    expect((await failed('capsule.resume')).sandbox?.status).toBe('paused')
    on.host.faults.failNext('destroy', hostFails())
    await ask.remove(id)
    await failed('capsule.destroy')
    expect(reader.of(id).filter((one) => one.includes('>'))).toEqual(['starting>running', 'running>paused'])
  })

  test('but what is refused is no event', async () => {
    const id = await ask.capsule()
    await ask.resume(id)
    await ask.remove(id)
    await ask.remove(id)
    await ask.pause(id)
    await last('capsule.destroy', id)
    expect(reader.of(id)).toHaveLength(4)
  })
})

test('an idle pause is the system’s', async () => {
  const id = await ask.capsule({ timeout_sec: 10 })
  on.clock.advance(11)
  const paused = await last('capsule.pause', id)
  expect(paused).toMatchObject({ outcome: 'success', actor: { type: 'system' }, metadata: { reason: 'ttl_expired' } })
})

test('a capsule that ends by itself is told with the reason', async () => {
  const id = await ask.capsule()
  on.host.end(id, 'it crashed')
  const change = await reader.until(({ metadata }) => metadata?.['to'] === 'error')
  expect(change).toMatchObject({ actor: { type: 'system' }, metadata: { from: 'running', reason: 'it crashed' } })
  await ask.remove(id)
  await last('capsule.destroy', id)
  expect(reader.events.at(-1)!.metadata).toBeUndefined()
})

test('templates are told of, those that are overwritten too; and the capsule that became one', async () => {
  const id = await ask.capsule()
  await ask.snapshot({ sandbox_id: id, name: 'a' })
  const second = await ask.capsule({ template: 'a' })
  await ask.snapshot({ sandbox_id: second, name: 'a', keep_source: true }, '?overwrite=true')
  await ask.removeTemplate('a')
  await last('template.snapshot.delete', 'a')
  expect(reader.of('a')).toEqual([
    ...['template.snapshot.create success', 'template.snapshot.create success'],
    'template.snapshot.delete success',
  ])
  const versions = reader.events.filter(({ resource }) => resource.id === 'a').map(({ metadata }) => metadata)
  expect(versions).toEqual([{ source: id, version: '1' }, { source: second, version: '2' }, undefined])
  expect(reader.of(id).slice(2)).toEqual(['running>stopped', 'capsule.destroy success'])
  expect(reader.of(second)).toHaveLength(2)
  const destroyed = reader.events.find(({ event, resource }) => event === 'capsule.destroy' && resource.id === id)
  expect(destroyed?.metadata).toEqual({ reason: 'snapshot' })
})

test('a template that expires is told of', async () => {
  await ask.made('a', 'x', { expires_in: 60 })
  on.clock.advance(61)
  const deleted = await last('template.snapshot.delete', 'a')
  expect(deleted).toMatchObject({ actor: { type: 'system' }, metadata: { reason: 'expired' } })
})

test('each fork is a creation', async () => {
  const id = await ask.capsule()
  on.host.faults.failNext('started', hostFails())
  const { body } = await ask.fork(id, { count: 3 })
  const ids = (body as { id: string }[]).map((one) => one.id)
  for (const one of ids) await last('capsule.create', one)
  const outcomes = ids.map((one) => reader.of(one).at(-1)!.split(' ')[1])
  expect(outcomes.toSorted()).toEqual(['error', 'success', 'success'])
  const told = reader.events.filter(({ metadata }) => metadata?.['forked_from'] === id)
  expect(new Set(told.map(({ resource }) => resource.id))).toEqual(new Set(ids))
})

test('however much is done at once, each change begins where the one before has ended', async () => {
  const ids = await Promise.all(Array.from({ length: 5 }, () => ask.capsule()))
  const busy = async (id: string) => {
    const calls = [() => ask.pause(id), () => ask.resume(id), () => ask.fork(id), () => ask.pause(id)]
    await Promise.all([...calls, ...calls].map((call) => call()))
    await ask.remove(id)
  }
  await Promise.all([...ids.map(busy), ask.made('a', 'x'), ask.made('a', 'y')])
  for (const id of ids) await last('capsule.destroy', id)
  for (const id of ids) {
    const changes = reader.events.filter(
      ({ event, resource }) => event === 'capsule.state.changed' && resource.id === id,
    )
    expect(changes[0]!.metadata).toMatchObject({ from: 'starting' })
    for (const [i, { metadata }] of changes.slice(1).entries())
      expect(metadata!['from']).toBe(changes[i]!.metadata!['to'])
    expect(changes.at(-1)!.metadata).toMatchObject({ to: 'stopped' })
    const actions = reader.of(id).filter((one) => one.endsWith(' success'))
    expect(actions).toHaveLength(changes.length)
  }
})

test('a capsule that is deleted while it starts was destroyed, and its start has failed', async () => {
  const { gate, asked } = await ask.at('started', () => ask.api.call('createCapsule', { json: {} }))
  const [{ id }] = (await ask.api.call('listCapsules')).body
  const removed = ask.remove(id)
  await last('capsule.destroy', id)
  gate.open()
  await Promise.all([asked, removed])
  await last('capsule.create', id)
  expect(reader.of(id)).toEqual([
    ...['starting>stopped', 'capsule.destroy success'],
    'capsule.create error The capsule was deleted while it started.',
  ])
})

test('no team hears of another', async () => {
  const key = await otherKey(on.store)
  const other = await EventReader.open({ url: on.url, key })
  const theirs = new Ask({ ...on, key })
  const [ours, foreign] = [await ask.capsule(), await theirs.capsule()]
  await last('capsule.create', ours)
  await other.until(({ event }) => event === 'capsule.create')
  expect(new Set(reader.events.slice(1).map(({ resource }) => resource.id))).toEqual(new Set([ours]))
  expect(new Set(other.events.slice(1).map(({ resource }) => resource.id))).toEqual(new Set([foreign]))
  other.close()
})

describe('one that comes back', () => {
  test('hears all that it has missed', async () => {
    const before = await ask.capsule()
    const { id } = await last('capsule.create', before)
    reader.close()
    const missed = await ask.capsule()
    reader = await EventReader.open(on, id)
    await last('capsule.create', missed)
    expect(reader.events[0]).not.toHaveProperty('metadata')
    expect(reader.of(before)).toEqual([])
    expect(reader.of(missed)).toEqual(['starting>running', 'capsule.create success'])
  })

  test('to another run of the server is told that it may have missed something', async () => {
    const { id } = await last('capsule.create', await ask.capsule())
    await on.restart()
    await expect.poll(() => reader.hasEnded).toBe(true)
    reader = await EventReader.open(on, id)
    expect(reader.events[0]).toMatchObject({ event: 'connected', metadata: { missed: 'unknown' } })
  })
})

test('who listens keeps no capsule from being idle, and closing the server ends the stream at once', async () => {
  const id = await ask.capsule({ timeout_sec: 60 })
  on.clock.advance(61)
  await last('capsule.pause', id)
  const begun = performance.now()
  await on.server.close()
  expect(performance.now() - begun).toBeLessThan(250)
  await expect.poll(() => reader.hasEnded).toBe(true)
})

test('a host that does not answer is told of, once, and when it does again', async () => {
  await ask.capsule()
  const tick = async (fails: boolean) => {
    if (fails) on.host.faults.failNext('samples', hostFails())
    const { asked } = on.host
    on.clock.advance(5.5)
    await expect.poll(() => on.host.asked).toBe(asked + 1)
  }
  for (const fails of [true, true, true, true, false, true]) await tick(fails)
  await reader.until(({ event }) => event === 'host.up')
  const told = () => reader.events.map(({ event }) => event).filter((event) => event.startsWith('host.'))
  expect(told()).toEqual(['host.down', 'host.up'])
  const { gate } = await ask.at('samples', async () => on.clock.advance(5.5))
  for (let i = 0; i < 3; i++) on.clock.advance(5.5)
  await expect.poll(told).toEqual(['host.down', 'host.up', 'host.down'])
  gate.open()
  await expect.poll(told).toEqual(['host.down', 'host.up', 'host.down', 'host.up'])
})

test('who only asks for the head takes no place', async () => {
  const { status } = await ask.api.send('HEAD', '/v1/events/stream')
  expect(status).toBe(200)
  reader.close()
  await expect
    .poll(async () => (await ask.api.send('GET', '/metrics')).bytes.toString())
    .toContain('wrenn_event_subscribers 0')
})
