/** What there is no room for, on real QEMU: disk and processes. It is refused, others go on, and nothing is left. */
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Capsule } from 'wrenn'
import { FileCalls, type Rule } from '../support/calls/calls.js'
import { countingCapsule, expectCounts } from '../support/counting.js'
import { namespacesOf, UpServer } from '../support/server.js'
import { SmallDisk } from '../support/small-disk.js'
import { freshDataDir, imagesIn, processesIn, removeDataDir } from '../support/vm.js'

const MB = 1_000_000
const made = await SmallDisk.make(1024).catch((error: Error) => error)
const why =
  made instanceof Error ? ` (skipped: no file system can be mounted here: ${made.message.split('\n')[0]})` : ''

describe.skipIf(why !== '')(`where a disk is full${why}`, () => {
  const disk = made as SmallDisk
  let calls: FileCalls
  let server: UpServer
  let source: Capsule
  beforeAll(async () => {
    const whole = await freshDataDir()
    const [image] = await imagesIn(whole, ['minimal'])
    await mkdir(join(disk.dir, 'images'))
    execFileSync('cp', ['-a', '--sparse=always', join(whole, 'images', image!.id), join(disk.dir, 'images')])
    await removeDataDir(whole)
    calls = FileCalls.open(`${disk.dir}.calls`)
    server = await UpServer.start({ dataDir: disk.dir, calls, env: { WRENN_DISK_RESERVE_MB: '0' } })
    source = await countingCapsule(server.client)
    await source.createSnapshot({ name: 'old', keepSource: true })
  })
  afterAll(async () => {
    await server?.end()
    calls?.close()
    for (const pid of await processesIn(disk.dir)) process.kill(pid, 'SIGKILL')
    await removeDataDir(join(disk.dir, 'nothing'))
    await disk.remove()
  })

  const create = () => server.api.call('createCapsule', { json: { template: 'old' } })
  const begin = {
    keep: ({ id }: Capsule) =>
      server.api.call('createSnapshot', { json: { sandbox_id: id, name: 'never', keep_source: true } }),
    move: ({ id }: Capsule) => server.api.call('createSnapshot', { json: { sandbox_id: id, name: 'never' } }),
    pause: ({ id }: Capsule) => server.api.call('pauseCapsule', { params: { id } }),
    fork: ({ id }: Capsule) => server.api.call('forkCapsule', { params: { id }, json: {} }),
    create,
  }
  async function expectOnly(...running: Capsule[]): Promise<void> {
    const ids = running.map(({ id }) => id).sort()
    const nothingElse = { capsules: ids, groups: ids, processes: ids.length, elsewhere: 0, staging: [] }
    await expect.poll(() => server.found(), { timeout: 5_000 }).toMatchObject(nothingElse)
    expect((await server.found()).snapshots).toHaveLength(1)
    for (const one of running) await expectCounts(one)
  }

  /** The only template starts, and what was refused is done. */
  async function expectRoom(): Promise<void> {
    const again = await server.client.capsules.create({ template: 'old' })
    await again.pause()
    await again.resume()
    await again.destroy()
  }

  const isFull = { status: 507, body: { error: { code: 'insufficient_storage', hint: expect.any(String) } } }

  test('nothing is begun that would not fit', async () => {
    const release = await disk.fill(32 * MB)
    for (const [what, ask] of Object.entries(begin)) {
      const answer = await ask(source)
      expect([what, answer]).toEqual([what, expect.objectContaining({ status: 507 })])
      expect(answer.headers.get('retry-after')).toBe('60')
    }
    await expectOnly(source)
    await release()
    await expectRoom()
  })

  const writesDifference = /^open \S+\/staging\/\S+\/memory-\w+\.difference/
  test.each<[keyof typeof begin, Rule]>([
    ['keep', { call: writesDifference }],
    ['move', { call: writesDifference }],
    ['pause', { call: writesDifference }],
    ['fork', { call: writesDifference }],
    ['create', { call: /^mkdir \S+\/capsules\/\S+\/run/ }],
  ])('to %s is taken back when the disk fills meanwhile', async (what, rule) => {
    const stopped = calls.stop(rule)
    const answer = begin[what](source)
    const call = await Promise.race([
      stopped,
      answer.then(({ body }) => Promise.reject(new Error(JSON.stringify(body)))),
    ])
    // The store, on the same disk, keeps what it needs to take it back.
    const release = await disk.fill(what === 'create' ? 100 * MB : 0.5 * MB)
    if (what === 'create') call.fail('ENOSPC')
    else call.go()
    expect(await answer).toMatchObject(isFull)
    await expectOnly(source)
    await release()
    await expectRoom()
  })

  test('to keep is taken back when the disk is full to the last byte, as soon as the database can be written again', async () => {
    const stopped = calls.stop({ call: writesDifference })
    const answer = begin.keep(source)
    const call = await stopped
    const release = await disk.fill(0)
    call.go()
    expect(await answer).toMatchObject(isFull)
    // Reads need no room. What runs may: a guest that writes anything to its disk stands still until there is some.
    expect((await server.api.call('listSnapshots')).status).toBe(200)
    await release()
    expect((await source.commands.run('echo runs')).stdout).toBe('runs\n')
    const again = async () => (await begin.keep(source)).status
    await expect.poll(again, { timeout: 20_000, interval: 500 }).toBe(201)
    await server.client.templates.delete('never')
    await expectOnly(source)
    await expectRoom()
  })

  test('a guest that fills it stands still, and goes on when there is room', async () => {
    const writer = (await source.fork(1))[0]!
    const release = await disk.fill(24 * MB)
    const writing = writer.commands.run('head -c 60000000 /dev/urandom | tee /root/much | sha256sum; sync', {
      timeoutSec: 100,
    })
    await expect.poll(() => disk.freeBytes(), { timeout: 30_000 }).toBeLessThan(1 * MB)
    await release()
    const sum = (await writing).stdout
    const dropCaches = 'echo 3 > /proc/sys/vm/drop_caches'
    expect((await writer.commands.run(`${dropCaches}; sha256sum < /root/much`)).stdout).toBe(sum)
    await expectOnly(source, writer)
    await writer.destroy()
  })

  test('a start for which there is no process is refused, and the next one is not', async () => {
    const group = `/sys/fs/cgroup/pids/wrenn-test-${process.pid}`
    const isCounted = await mkdir(group).then(
      () => true,
      () => false,
    )
    const { pid } = server.child
    const tasks = async () => (await readdir(`/proc/${pid}/task`)).length
    const descriptors = async () => (await readdir(`/proc/${pid}/fd`)).length
    await expectOnly(source)
    const before = await descriptors()
    if (isCounted) {
      await writeFile(join(group, 'cgroup.procs'), String(pid))
      await writeFile(join(group, 'pids.max'), String(await tasks()))
      expect(await create()).toMatchObject({ status: 503, body: { error: { code: 'host_unavailable' } } })
      await writeFile(join(group, 'pids.max'), 'max')
      await expectOnly(source)
      await writeFile('/sys/fs/cgroup/pids/cgroup.procs', String(pid))
      await rmdir(group)
    }
    await expectRoom()
    await expect.poll(descriptors, { timeout: 10_000 }).toBeLessThanOrEqual(before + 4)
  })

  test('in the end nothing is left', async () => {
    await source.destroy()
    await server.end('SIGTERM')
    expect(await server.found()).toMatchObject({ capsules: [], staging: [], processes: 0, elsewhere: 0, groups: [] })
    expect(await namespacesOf(disk.dir)).toEqual([])
  })
})
