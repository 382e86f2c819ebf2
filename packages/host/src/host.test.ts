import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, openNetwork, type HostClient } from '@wrenn/wire'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aroundFileCalls } from './faults/file-calls.js'
import { openHost, pathsOf } from './index.js'
import { FakeWorld, makeFakeImage } from './vmm/fake/index.js'
import type { Host } from './host.js'

const log = pino({ level: 'silent' })
const signal = AbortSignal.timeout(60_000)
let dataDir: string
let world: FakeWorld
let host: Host

async function open(): Promise<Host> {
  const images = [await makeFakeImage(pathsOf(dataDir), 'minimal')]
  return openHost({ dataDir, driver: { kind: 'fake', world }, log, images })
}

async function start(from?: string): Promise<string> {
  const capsuleId = newId('capsule')
  const source = from
    ? ({ kind: 'snapshot', snapshotId: from } as const)
    : ({ kind: 'image', imageId: 'minimal-fake' } as const)
  await host.start({ capsuleId, source, vcpus: 1, memoryMb: 64, template: 'minimal', network: openNetwork })
  return capsuleId
}

async function write(capsuleId: string, path: string, text: string): Promise<void> {
  await host.guest(capsuleId).writeFile(path, [Buffer.from(text)] as never, signal)
}

async function read(capsuleId: string, path: string): Promise<string> {
  const { chunks } = await host.guest(capsuleId).readFile(path, signal)
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

async function capture(client: HostClient, capsuleId: string, keepSource = false): Promise<string> {
  const snapshotId = newId('snapshot')
  await client.capture({ capsuleId, snapshotId, keepSource, purpose: 'template' })
  return snapshotId
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wrenn-host-'))
  world = new FakeWorld()
  host = await open()
  await host.reconcile({ capsuleIds: [], snapshotIds: [] })
})

afterEach(async () => {
  await host.close()
  await rm(dataDir, { recursive: true, force: true })
})

test('a capsule starts from an image, and two at once share one boot', async () => {
  const ids = await Promise.all([start(), start()])
  expect(world.machines.size).toBe(2)
  await Promise.all(ids.map((id) => write(id, '/root/a', id)))
  expect(await Promise.all(ids.map((id) => read(id, '/root/a')))).toEqual(ids)
})

test('a capture holds the source, and any number of capsules start from it where it was', async () => {
  const source = await start()
  await write(source, '/root/note', 'before')
  await host.guest(source).spawn({ cmd: 'sleep', args: ['infinity'], tag: 'worker' }, signal)
  const snapshotId = await capture(host, source)
  expect(world.machineOf(source)!.paused).toBe(true)
  await host.destroy(source)
  for (const id of [await start(snapshotId), await start(snapshotId)]) {
    expect(await read(id, '/root/note')).toBe('before')
    expect((await host.guest(id).processes(signal)).map(({ tag }) => tag)).toEqual(['worker'])
  }
})

test('a capsule that lives on after its capture gets a disk layer of its own, again and again', async () => {
  const source = await start()
  const first = await capture(host, source, true)
  expect(world.machineOf(source)!.paused).toBe(false)
  await write(source, '/root/note', 'later')
  const second = await capture(host, source, true)
  const layers = async (id: string) =>
    (await readdir(pathsOf(dataDir).snapshot(id))).filter((name) => name.endsWith('.qcow2')).length
  expect([await layers(first), await layers(second)]).toEqual([3, 4])
  await expect(read(await start(first), '/root/note')).rejects.toMatchObject({ code: 'not_found' })
  expect(await read(await start(second), '/root/note')).toBe('later')
})

test('a capture that fails leaves the source running and no trace', async () => {
  const source = await start()
  for (const point of ['capture', 'pause'] as const) {
    world.failNext(point, new Error('it broke'))
    await expect(capture(host, source)).rejects.toMatchObject({ code: 'host_unavailable' })
    expect(world.machineOf(source)!.paused).toBe(false)
  }
  world.failNext('capture', Object.assign(new Error('full'), { code: 'ENOSPC' }))
  await expect(capture(host, source, true)).rejects.toMatchObject({ code: 'insufficient_storage' })
  expect(await readdir(pathsOf(dataDir).snapshots)).toEqual([])
  expect(await readdir(pathsOf(dataDir).staging)).toEqual([])
  await write(source, '/root/still', 'here')
})

test('a start that fails leaves nothing', async () => {
  await start()
  world.failNext('restore', new Error('it broke'))
  await expect(start()).rejects.toMatchObject({ code: 'host_unavailable' })
  expect(world.machines.size).toBe(1)
  expect(await readdir(pathsOf(dataDir).capsules)).toHaveLength(1)
})

test('after a restart running capsules are taken up, held ones run on, and the rest is removed', async () => {
  const [kept, dropped, dead] = [await start(), await start(), await start()]
  await write(kept, '/root/a', 'kept')
  const orphan = await capture(host, kept)
  await host.close()
  world.machineOf(dead)!.end('power')
  host = await open()
  const { running, lost } = await host.reconcile({ capsuleIds: [kept, dead], snapshotIds: [] })
  expect(running).toEqual([kept])
  expect(lost.map(({ capsuleId }) => capsuleId)).toEqual([dead])
  expect(await read(kept, '/root/a')).toBe('kept')
  expect(await readdir(pathsOf(dataDir).snapshots)).not.toContain(orphan)
  expect(await readdir(pathsOf(dataDir).capsules)).toEqual([kept])
  expect(dropped).not.toBe(kept)
})

const losses: [string, (id: string) => unknown][] = [
  ['its record is missing', (id) => rm(recordOf(id))],
  ['its record cannot be read', (id) => writeFile(recordOf(id), '{"format": 2')],
  ['its process ended while the server was down', (id) => world.machineOf(id)!.end('power')],
  [
    'its process ended while the server was down, and its number is that of another by now',
    (id) => (world.machineOf(id)!.startTime = '1'),
  ],
  [
    'its process runs, but its socket is gone',
    () => world.failNext('adopt', Object.assign(new Error('connect'), { code: 'ENOENT' })),
  ],
  ['its process could not be reached again', () => world.failNext('adopt', new Error('it says nothing'))],
  ['its process could not be reached again', () => world.failNext('resume', new Error('it says nothing'))],
]
const recordOf = (id: string) => join(pathsOf(dataDir).capsule(id), 'capsule.json')

test.each(losses)('a capsule that cannot be taken up says why, and nothing is left of it: %s', async (reason, lose) => {
  const id = await start()
  await host.close()
  await lose(id)
  host = await open()
  expect(await host.reconcile({ capsuleIds: [id], snapshotIds: [] })).toEqual({
    running: [],
    lost: [{ capsuleId: id, reason }],
  })
  expect(world.machines.size).toBe(0)
  expect(await readdir(pathsOf(dataDir).capsules)).toEqual([])
})

test('a capsule whose process cannot be reached takes no other with it', async () => {
  const [kept, lost] = [await start(), await start()]
  await host.close()
  await writeFile(recordOf(lost), '')
  host = await open()
  const found = await host.reconcile({ capsuleIds: [lost, kept], snapshotIds: [] })
  expect([found.running, found.lost.map(({ capsuleId }) => capsuleId)]).toEqual([[kept], [lost]])
  await write(kept, '/root/a', 'kept')
})

test('what could not be ended is removed by the next try', async () => {
  const id = await start()
  const { capsules, staging } = pathsOf(dataDir)
  const end = await aroundFileCalls(({ name, paths: [path = ''] }, work) => {
    if (name === 'rename' && path.startsWith(capsules)) throw Object.assign(new Error('read-only'), { code: 'EROFS' })
    return work()
  })
  await expect(host.destroy(id)).rejects.toMatchObject({ code: 'host_unavailable', hint: expect.any(String) })
  end()
  expect(world.machines.size).toBe(0)
  await host.destroy(id)
  expect([...(await readdir(capsules)), ...(await readdir(staging))]).toEqual([])
})

test('the end of a capsule that ends by itself is told, and its directory goes', async () => {
  const told = new Promise((resolve) => host.onGone((id, reason) => resolve([id, reason])))
  const id = await start()
  world.machineOf(id)!.end('the guest powered off')
  expect(await told).toEqual([id, 'the guest powered off'])
})

test('a program runs with its output, and leaving it kills it', async () => {
  const id = await start()
  const { output } = await host.guest(id).exec({ cmd: 'echo', args: ['hello'] }, signal)
  const chunks = []
  for await (const chunk of output) chunks.push(chunk)
  expect(chunks).toMatchObject([{ type: 'stdout' }, { type: 'exit', exitCode: 0, timedOut: false }])
  const endless = await host.guest(id).exec({ cmd: 'yes', args: [] }, signal)
  for await (const _ of endless.output) break
  const late = await host.guest(id).exec({ cmd: 'sleep', args: ['infinity'], timeoutMs: 20 }, signal)
  const end = []
  for await (const chunk of late.output) end.push(chunk)
  expect(end).toMatchObject([{ type: 'exit', exitCode: -1, timedOut: true }])
  expect(await host.guest(id).processes(signal)).toEqual([])
})

test('a capture keeps the programs that need no connection, with what they wrote, and no others', async () => {
  const source = await start()
  const guest = host.guest(source)
  const kept = await guest.exec({ cmd: 'cat', args: [], stdin: true, tag: 'kept', onDisconnect: 'keep' }, signal)
  const shell = await guest.exec({ cmd: 'bash', args: [], pty: { cols: 80, rows: 24 }, tag: 'shell' }, signal)
  await guest.exec({ cmd: 'sleep', args: ['infinity'], tag: 'attached' }, signal)
  await guest.writeStdin(kept.id, [Buffer.from('before ')] as never, signal)
  for await (const chunk of kept.output) if (chunk.type === 'stdout') break
  const restored = host.guest(await start(await capture(host, source)))
  expect((await restored.processes(signal)).map(({ tag }) => tag)).toEqual(['kept', 'shell'])
  await restored.writeStdin(kept.id, [Buffer.from('after')] as never, signal)
  await restored.endStdin(kept.id, signal)
  const { output, pid } = await restored.attach(kept.id, {}, signal)
  expect(pid).toBe(kept.pid)
  let text = ''
  for await (const chunk of output) if (chunk.type === 'stdout') text += Buffer.from(chunk.data).toString()
  expect(text).toBe('before after')
  await restored.writeStdin(shell.id, [Buffer.from('exit\r')] as never, signal)
  await expect.poll(async () => (await restored.processes(signal)).length).toBe(0)
})

test('each running capsule is sampled, and one that cannot be is left out', async () => {
  const [one, two] = [await start(), await start()]
  await write(one, '/dev/shm/large', 'x'.repeat(100_000))
  const samples = await host.samples()
  expect(samples.map(({ capsuleId }) => capsuleId).sort()).toEqual([one, two].sort())
  const of = (id: string) => samples.find(({ capsuleId }) => capsuleId === id)!
  expect(of(one).memoryBytes - of(two).memoryBytes).toBeGreaterThan(100_000)
  for (const { cpuMs, diskBytes } of samples) {
    expect(cpuMs).toBeGreaterThan(0)
    expect(diskBytes).toBeGreaterThan(0)
  }
  expect(of(one).diskBytes).toBe(await host.diskUsedBytes(one))
  await rm(pathsOf(dataDir).capsule(two), { recursive: true })
  expect((await host.samples()).map(({ capsuleId }) => capsuleId)).toEqual([one])
})

test('a snapshot whose file is gone or cut is refused as corrupt', async () => {
  const source = await start()
  const snapshotId = await capture(host, source)
  const dir = pathsOf(dataDir).snapshot(snapshotId)
  await rm(
    join(
      dir,
      (await readdir(dir)).find((name) => name.endsWith('.difference'))!,
    ),
  )
  await expect(start(snapshotId)).rejects.toMatchObject({ code: 'template_corrupt' })
})

test.each(['capsules', 'snapshots', 'staging'] as const)(
  'what an earlier server left working in %s is ended',
  async (folder) => {
    const snapshotId = newId('snapshot')
    const cwd = join(pathsOf(dataDir)[folder], snapshotId)
    await mkdir(cwd)
    const left = spawn('sleep', ['60'], { cwd })
    const exited = once(left, 'exit')
    try {
      await once(left, 'spawn')
      await host.close()
      host = await open()
      await host.reconcile({ capsuleIds: [], snapshotIds: folder === 'snapshots' ? [snapshotId] : [] })
      expect((await exited)[1]).toBe('SIGKILL')
    } finally {
      left.kill('SIGKILL')
    }
  },
)
