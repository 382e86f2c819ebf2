/** Images that bring a service, on the fake vmm. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork } from '@wrenn/wire'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Host } from '../host.js'
import { openHost } from '../open.js'
import { pathsOf, type Paths } from '../paths.js'
import { FakeWorld, makeFakeImage } from '../vmm/fake/index.js'
import type { Service } from './recipe.js'
import type { Image } from './store.js'

/** What the service does: a file that is in memory alone. */
const MARK = '/dev/shm/served'
const SIZE = { vcpus: 1, memoryMb: 64 }
const signal = AbortSignal.timeout(60_000)
let paths: Paths
let host: Host
beforeEach(async () => {
  paths = pathsOf(await mkdtemp(join(tmpdir(), 'wrenn-service-')))
  const minimal = await makeFakeImage(paths, 'minimal')
  host = await openHost({
    dataDir: paths.data,
    driver: { kind: 'fake', world: new FakeWorld() },
    log: pino({ level: 'silent' }),
    images: [minimal],
    building: ['served'],
  })
  await host.reconcile({ capsuleIds: [], snapshotIds: [] })
})
afterEach(async () => {
  await host.close()
  await rm(paths.data, { recursive: true, force: true })
})

/** An image whose service is checked by this program. */
function served(...check: Service['check']): Promise<Image> {
  const service: Service = { start: ['put', MARK, 'served'], tag: 'service', check, timeout_sec: 30 }
  return makeFakeImage(paths, 'served', { service, min_memory_mb: 64 })
}

async function start(memoryMb = SIZE.memoryMb): Promise<string> {
  const capsuleId = newId('capsule')
  const source = { kind: 'image', imageId: 'served-fake' } as const
  await host.start({ capsuleId, source, vcpus: 1, memoryMb, template: 'served', network: openNetwork })
  return capsuleId
}

async function markIn(id: string): Promise<string> {
  const { chunks } = await host.guest(id).readFile(MARK, signal)
  let text = ''
  for await (const chunk of chunks) text += Buffer.from(chunk).toString()
  return text
}

const leftovers = () => readdir(paths.staging)

test('what a service has done is in the memory of every capsule, of sizes that are made later too', async () => {
  await host.offer(await served('cat', MARK), SIZE)
  expect(await markIn(await start())).toBe('served')
  expect(await markIn(await start(128))).toBe('served')
})

test('an image is offered when its memory is ready, and its listener is told', async () => {
  let isTold = false
  host.onImages(() => (isTold = true))
  await expect(start()).rejects.toMatchObject({ code: 'host_unavailable', message: expect.stringContaining('built') })
  expect(await host.building()).toEqual(['served'])
  await host.offer(await served('true'), SIZE)
  expect([isTold, await host.building()]).toEqual([true, []])
  expect((await host.images()).map(({ name }) => name)).toEqual(['minimal', 'served'])
})

test('a check that fails leaves nothing, and what it said is the cause', async () => {
  const failed = await host.offer(await served('complain', 'no luck'), SIZE).catch((error: Error) => error)
  expect(failed).toMatchObject({ code: 'host_unavailable', cause: { message: expect.stringContaining('no luck') } })
  expect(await leftovers()).toEqual([])
  expect((await host.images()).map(({ name }) => name)).toEqual(['minimal'])
})

test('a service that does not get ready in time is given up', async () => {
  const image = await served('sleep', 'infinity')
  const late = { ...image, service: { ...image.service!, timeout_sec: 0.05 } }
  await expect(host.offer(late, SIZE)).rejects.toMatchObject({ code: 'host_unavailable' })
  expect(await leftovers()).toEqual([])
})

test('closing the host ends the wait for a service', async () => {
  const offering = host.offer(await served('sleep', 'infinity'), SIZE)
  const failed = expect(offering).rejects.toMatchObject({ code: 'host_unavailable', message: 'The server stops.' })
  await expect.poll(leftovers).not.toEqual([])
  await host.close()
  await failed
  expect(await leftovers()).toEqual([])
})

test('less memory than the service takes is a wrong value', async () => {
  await host.offer(await served('true'), SIZE)
  await expect(start(32)).rejects.toMatchObject({ code: 'invalid_request', hint: expect.stringContaining('64') })
})
