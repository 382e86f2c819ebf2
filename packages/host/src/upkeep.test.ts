/** What upkeep does to snapshots, with rules so small that it is always due; and what damage to a snapshot does. */
import { mkdtemp, open as openFile, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork } from '@wrenn/wire'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openHost, pathsOf, type Host, type UpkeepRules } from './index.js'
import { names } from './paths.js'
import { decodeManifest, type Manifest } from './snapshots/manifest.js'
import { FakeWorld, makeFakeImage } from './vmm/fake/index.js'

const log = pino({ level: 'silent' })
const signal = AbortSignal.timeout(60_000)
/** Nothing is ever due. */
const never: UpkeepRules = { foldBytes: Infinity, mostLayers: Infinity, coldMs: 1e9 }
const blob = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * i) >>> 3)).toString('base64')

let dataDir: string
let world: FakeWorld
let host: Host
const dirOf = (id: string) => pathsOf(dataDir).snapshot(id)
const filesOf = (id: string) => readdir(dirOf(id))

async function open(rules: Partial<UpkeepRules>, snapshotIds: string[] = [], capsuleIds: string[] = []): Promise<void> {
  const images = [await makeFakeImage(pathsOf(dataDir), 'minimal')]
  host = await openHost({ dataDir, driver: { kind: 'fake', world }, log, images, upkeep: { ...never, ...rules } })
  await host.reconcile({ capsuleIds, snapshotIds })
}

async function reopen(...how: Parameters<typeof open>): Promise<void> {
  await host.close()
  await open(...how)
}

async function start(from?: string): Promise<string> {
  const capsuleId = newId('capsule')
  const source = from
    ? ({ kind: 'snapshot', snapshotId: from } as const)
    : ({ kind: 'image', imageId: 'minimal-fake' } as const)
  await host.start({ capsuleId, source, vcpus: 1, memoryMb: 8, template: 'minimal', network: openNetwork })
  return capsuleId
}

const write = (id: string, path: string, text: string) =>
  host.guest(id).writeFile(path, [Buffer.from(text)] as never, signal)

async function read(id: string, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of (await host.guest(id).readFile(path, signal)).chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

async function capture(capsuleId: string): Promise<string> {
  const snapshotId = newId('snapshot')
  await host.capture({ capsuleId, snapshotId, keepSource: true, purpose: 'template' })
  return snapshotId
}

async function manifestOf(id: string): Promise<Manifest> {
  return decodeManifest(await readFile(join(dirOf(id), names.manifest), 'utf8'))
}

/** A capsule with much in memory and several disk layers, and its last snapshot. */
async function generations(): Promise<{ source: string; snapshot: string }> {
  const source = await start()
  await write(source, '/dev/shm/blob', blob)
  for (let i = 0; i < 4; i++) {
    await write(source, '/root/generation', `${i}`)
    await write(source, `/root/of-${i}`, `${i}`)
    if (i < 3) await capture(source)
  }
  await host.guest(source).remove('/root/of-1', signal)
  return { source, snapshot: await capture(source) }
}

async function assertContent(id: string): Promise<void> {
  expect(await read(id, '/dev/shm/blob')).toBe(blob)
  const texts = await Promise.all(['generation', 'of-0', 'of-2', 'of-3'].map((name) => read(id, `/root/${name}`)))
  expect(texts).toEqual(['3', '0', '2', '3'])
  await expect(read(id, '/root/of-1')).rejects.toMatchObject({ code: 'not_found' })
}

/** All files of a snapshot are those that its manifest names, and have their digests. */
async function assertWhole(id: string): Promise<void> {
  expect(await filesOf(id)).toHaveLength((await manifestOf(id)).files.length + 1)
  const parts = await host.verify({ kind: 'snapshot', snapshotId: id })
  expect(parts.filter(({ problem }) => problem)).toEqual([])
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wrenn-upkeep-'))
  world = new FakeWorld()
  await open({})
})
afterEach(async () => {
  await host.close()
  await rm(dataDir, { recursive: true, force: true })
})

describe.each([
  ['fold', { foldBytes: 4096 }, ({ memory }: Manifest) => memory.difference === null],
  ['flatten', { mostLayers: 2 }, ({ disk }: Manifest) => disk.length === 2],
  ['pack', { coldMs: 1 }, ({ memory }: Manifest) => memory.packed],
] as const)('to %s', (step, rules, isDone) => {
  test('changes the files and not the content; what runs goes on', async () => {
    const { source, snapshot } = await generations()
    const before = await start(snapshot)
    expect(isDone(await manifestOf(snapshot))).toBe(false)
    await reopen(rules, [snapshot], [source, before])
    await expect.poll(async () => isDone(await manifestOf(snapshot))).toBe(true)
    await host.upkept()
    await assertWhole(snapshot)
    for (const id of [source, before, await start(snapshot)]) await assertContent(id)
    // A generation that is made over what upkeep made, and one over what was there before it.
    for (const id of [await start(snapshot), before]) {
      await write(id, '/root/more', 'later')
      const child = await start(await capture(id))
      await assertContent(child)
      expect(await read(child, '/root/more')).toBe('later')
    }
  })

  test('and to be deleted meanwhile leaves nothing', async () => {
    const { source, snapshot } = await generations()
    const gate = step === 'pack' ? undefined : world.hold(step)
    await reopen(rules, [snapshot], [source])
    if (gate) await expect.poll(() => gate.queue).toBe(1)
    await host.deleteSnapshot(snapshot)
    gate?.open()
    await host.upkept()
    expect(await readdir(pathsOf(dataDir).snapshots)).toEqual([])
    expect(await readdir(pathsOf(dataDir).staging)).toEqual([])
    await assertContent(source)
  })
})

describe.each([
  ['fold', { foldBytes: 4096 }],
  ['flatten', { mostLayers: 2 }],
] as const)('a %s that fails', (step, rules) => {
  test('leaves the snapshot as it was, and is done another time', async () => {
    const { source, snapshot } = await generations()
    const before = await filesOf(snapshot)
    world.failNext(step, Object.assign(new Error('full'), { code: 'ENOSPC' }))
    await reopen(rules, [snapshot], [source])
    await host.upkept()
    expect(await filesOf(snapshot)).toEqual(before)
    await assertContent(await start(snapshot))
    await reopen(rules, [snapshot], [source])
    await host.upkept()
    expect(await filesOf(snapshot)).not.toEqual(before)
    await assertContent(await start(snapshot))
  })
})

test('what a crash left half-made is removed at the next start', async () => {
  const { source, snapshot } = await generations()
  const before = await filesOf(snapshot)
  await writeFile(join(dirOf(snapshot), 'memory-0123456789ab.base'), 'half')
  await writeFile(join(dirOf(snapshot), 'disk-0123456789ab.qcow2'), 'half')
  await assertContent(await start(snapshot))
  await reopen({}, [snapshot], [source])
  await host.upkept()
  expect(await filesOf(snapshot)).toEqual(before)
})

test('a verification during which upkeep puts other files in the place of some finds no damage', async () => {
  const { source, snapshot } = await generations()
  const damaged: string[] = []
  const gate = world.hold('flatten')
  await reopen({ mostLayers: 2 }, [snapshot], [source])
  host.onDamaged((_, what) => damaged.push(what))
  await expect.poll(() => gate.queue).toBe(1)
  const verified = (async () => {
    const problems: unknown[] = []
    for (let i = 0; i < 15; i++) {
      const parts = await host.verify({ kind: 'snapshot', snapshotId: snapshot })
      problems.push(...parts.filter(({ problem }) => problem))
      await host.usage(snapshot)
      if (i === 1) gate.open()
    }
    return problems
  })()
  expect(await verified).toEqual([])
  expect(damaged).toEqual([])
})

describe('damage', () => {
  /** The parts of a snapshot, by what they are. */
  const parts: [string, (manifest: Manifest) => string][] = [
    ['the base memory', ({ memory }) => memory.base],
    ['the difference', ({ memory }) => memory.difference!],
    ['the devices', ({ devices }) => devices],
    ...[0, 1, 2, 3, 4].map((i): [string, (manifest: Manifest) => string] => [
      `disk layer ${i}`,
      ({ disk }) => disk[i]!,
    ]),
    ['the manifest', () => names.manifest],
  ]
  const damages: [string, (path: string) => Promise<void>][] = [
    ['one byte changed', flip],
    ['cut', async (path) => truncate(path, (await stat(path)).size - 1)],
    ['emptied', (path) => truncate(path, 0)],
    ['missing', (path) => rm(path)],
  ]

  test.each(parts)('to %s: nothing is started until it is whole again', async (_, of) => {
    const { snapshot } = await generations()
    const name = of(await manifestOf(snapshot))
    const path = join(dirOf(snapshot), name)
    const whole = await readFile(path)
    const put = async () => {
      await rm(path, { force: true })
      await writeFile(path, whole)
    }
    const told: string[] = []
    host.onDamaged((id) => told.push(id))
    const machines = world.machines.size
    for (const [what, harm] of damages) {
      await put()
      await harm(path)
      await expect(start(snapshot), what).rejects.toMatchObject({ code: 'template_corrupt' })
      expect(world.machines.size).toBe(machines)
      expect(told.splice(0)).toEqual([snapshot])
      const verifying = host.verify({ kind: 'snapshot', snapshotId: snapshot })
      if (name === names.manifest) await expect(verifying, what).rejects.toMatchObject({ code: 'template_corrupt' })
      else {
        const found = (await verifying).filter(({ problem }) => problem)
        expect(found, what).toEqual([expect.objectContaining({ name, problem: expect.stringContaining(name) })])
      }
      told.splice(0)
    }
    await put()
    await assertContent(await start(snapshot))
  })

  test('that does not show in the time of writing is found by a verification', async () => {
    const { snapshot } = await generations()
    const name = (await manifestOf(snapshot)).memory.base
    const path = join(dirOf(snapshot), name)
    const { atime, mtime } = await stat(path)
    await flip(path)
    await utimes(path, atime, mtime)
    const found = await host.verify({ kind: 'snapshot', snapshotId: snapshot })
    expect(found.filter(({ problem }) => problem).map((part) => part.name)).toEqual([name])
  })
})

/** Changes one bit in the middle. */
async function flip(path: string): Promise<void> {
  const file = await openFile(path, 'r+')
  const at = Math.floor((await file.stat()).size / 2)
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0]! ^= 1
  await file.write(byte, 0, 1, at)
  await file.close()
}
