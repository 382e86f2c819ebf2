/** The disk of a capsule that is captured again and again while it runs, on the fake vmm. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork } from '@wrenn/wire'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHost, pathsOf, type Host } from '../index.js'
import { FakeWorld, makeFakeImage } from '../vmm/fake/index.js'
import { readRecord } from './record.js'

const MOST_LAYERS = 4
const log = pino({ level: 'silent' })
const signal = AbortSignal.timeout(60_000)

let dataDir: string
let world: FakeWorld
let host: Host
const capsuleDir = (id: string) => pathsOf(dataDir).capsule(id)

async function open(capsuleIds: string[] = [], snapshotIds: string[] = []): Promise<void> {
  const images = [await makeFakeImage(pathsOf(dataDir), 'minimal')]
  const upkeep = { foldBytes: Infinity, mostLayers: MOST_LAYERS, coldMs: 1e9 }
  host = await openHost({ dataDir, driver: { kind: 'fake', world }, log, images, upkeep })
  await host.reconcile({ capsuleIds, snapshotIds })
}

async function start(snapshotId?: string): Promise<string> {
  const capsuleId = newId('capsule')
  const source = snapshotId
    ? ({ kind: 'snapshot', snapshotId } as const)
    : ({ kind: 'image', imageId: 'minimal-fake' } as const)
  await host.start({ capsuleId, source, vcpus: 1, memoryMb: 8, template: 'minimal', network: openNetwork })
  return capsuleId
}

async function write(id: string, generation: number): Promise<void> {
  for (const path of ['/root/newest', `/root/of-${generation}`])
    await host.guest(id).writeFile(path, [Buffer.from(String(generation))] as never, signal)
}

async function capture(capsuleId: string): Promise<string> {
  const snapshotId = newId('snapshot')
  await host.capture({ capsuleId, snapshotId, keepSource: true, purpose: 'fork' })
  return snapshotId
}

async function read(id: string, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of (await host.guest(id).readFile(path, signal)).chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

async function assertContent(id: string, newest: number): Promise<void> {
  expect(await read(id, '/root/newest')).toBe(String(newest))
  for (let i = 0; i <= newest; i++) expect(await read(id, `/root/of-${i}`)).toBe(String(i))
}

/** The layers of a capsule, lowest first; those, and no others, are in its directory. */
async function layersOf(id: string): Promise<string[]> {
  const record = await readRecord(capsuleDir(id))
  const layers = [...record!.origin.disk, ...record!.layers]
  const found = (await readdir(capsuleDir(id))).filter((name) => name.endsWith('.qcow2'))
  expect(found.sort()).toEqual([...layers].sort())
  return layers
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wrenn-shorten-'))
  world = new FakeWorld()
  await open()
})
afterEach(async () => {
  await host.close()
  await rm(dataDir, { recursive: true, force: true })
})

test('stays short, whatever is captured meanwhile, and what was captured keeps its own', async () => {
  const source = await start()
  const snapshots: string[] = []
  for (let i = 0; i < 12; i++) {
    await write(source, i)
    snapshots.push(await capture(source))
    // Some captures come while the disk is being made shorter, some after it.
    if (i % 3 === 0) await host.upkept()
  }
  await host.upkept()
  expect((await layersOf(source)).length).toBeLessThanOrEqual(MOST_LAYERS + 1)
  await assertContent(source, 11)
  for (const [i, snapshot] of snapshots.entries()) await assertContent(await start(snapshot), i)
  await host.close()
  await open([source], snapshots)
  await write(source, 12)
  await assertContent(await start(await capture(source)), 12)
})

test.each(['flatten', 'shorten'] as const)(
  'is as it was when to %s it fails, and shorter the next time',
  async (point) => {
    const source = await start()
    for (let i = 0; i < MOST_LAYERS - 1; i++) {
      await write(source, i)
      if (i === MOST_LAYERS - 2) world.failNext(point, new Error('it broke'))
      await capture(source)
    }
    await host.upkept()
    expect(await layersOf(source)).toHaveLength(MOST_LAYERS + 2)
    await write(source, MOST_LAYERS - 1)
    await capture(source)
    await host.upkept()
    expect(await layersOf(source)).toHaveLength(3)
    await assertContent(source, MOST_LAYERS - 1)
  },
)

test('a capsule that ends meanwhile leaves nothing', async () => {
  const source = await start()
  const gate = world.hold('flatten')
  for (let i = 0; i < MOST_LAYERS; i++) await capture(source)
  await host.destroy(source)
  gate.open()
  await host.upkept()
  expect(await readdir(pathsOf(dataDir).capsules)).toEqual([])
  await expect(readFile(capsuleDir(source))).rejects.toMatchObject({ code: 'ENOENT' })
})
