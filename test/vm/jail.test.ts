/** Capsules in their jails, on real QEMU. What can be done from inside a jail is tested without one, in host/src/jail. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Wrenn, type Capsule } from 'wrenn'
import { processesIn, startVm, type VmRunning } from '../support/vm.js'

const isRoot = process.getuid?.() === 0
let wrenn: VmRunning
let client: Wrenn
beforeAll(async () => {
  wrenn = await startVm(undefined, { mostLayers: 2 })
  client = new Wrenn({ baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key })
})
afterAll(() => wrenn.end())

const dirOf = ({ id }: Capsule) => join(wrenn.dataDir, 'capsules', id)
async function pidOf(capsule: Capsule): Promise<number> {
  const pids = await processesIn(dirOf(capsule))
  expect(pids, 'one process works in its directory').toHaveLength(1)
  return pids[0]!
}

/** The bounds that the kernel shows. */
async function limitsOf(pid: number): Promise<Record<string, string>> {
  const lines = (await readFile(`/proc/${pid}/limits`, 'utf8')).trim().split('\n').slice(1)
  return Object.fromEntries(lines.map((line) => line.split(/ {2,}/) as [string, string]))
}

async function expectJailed(capsule: Capsule): Promise<void> {
  const pid = await pidOf(capsule)
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)![1]
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(field)
  expect(sets).toEqual(Array(5).fill('0'.repeat(16)))
  expect([field('NoNewPrivs'), field('Seccomp'), field('Seccomp_filters')]).toEqual(['1', '2', '2'])
  expect(field('NSpid')).toBe(`${pid}\t1`)
  const uids = new Set(field('Uid')!.split('\t'))
  expect([uids.size, uids.has('0')]).toEqual([1, false])
  for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net'])
    expect(await readlink(`/proc/${pid}/ns/${name}`)).not.toBe(await readlink(`/proc/self/ns/${name}`))

  const mounts = (await readFile(`/proc/${pid}/mountinfo`, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
  const writable = mounts.filter((fields) => fields[5]!.split(',').includes('rw')).map((fields) => fields[4])
  expect(writable.sort()).toEqual([dirOf(capsule), '/dev/null'].sort())

  const limits = await limitsOf(pid)
  expect(limits).toMatchObject({ 'Max core file size': '0', 'Max open files': '1024' })
  const files = await Promise.all((await readdir(dirOf(capsule))).map((name) => stat(join(dirOf(capsule), name))))
  expect(Number(limits['Max file size'])).toBeGreaterThan(Math.max(...files.map(({ blocks }) => blocks * 512)))
  if (isRoot) {
    const { uid } = await stat(`/proc/${pid}`)
    const own = (await readdir(dirOf(capsule), { recursive: true, withFileTypes: true })).map((entry) =>
      join(entry.parentPath, entry.name),
    )
    const owned = await Promise.all(own.map(async (path) => ((await stat(path)).uid === uid ? path : '')))
    const [top, saved, ...more] = owned
      .filter(Boolean)
      .map((path) => path.slice(dirOf(capsule).length + 1))
      .sort()
    expect(top).toMatch(/^disk-[0-9a-f]{12}\.qcow2$/)
    expect([saved, more]).toEqual(['run/devices.saved', []])
  }
}

describe.skipIf(!isRoot)(`in a jail of its own${isRoot ? '' : ' (skipped: this is not root)'}`, () => {
  test('each capsule is from its start on, and through all that happens to it', async () => {
    await using capsule = await client.capsules.create()
    await expectJailed(capsule)
    await capsule.files.write('/root/text', 'kept')
    // Three layers are more than it may have, so that they become one beside it, made in a jail too.
    for (const name of ['live-1', 'live-2', 'live-3']) await capsule.createSnapshot({ name, keepSource: true })
    await wrenn.host.upkept()
    await expectJailed(capsule)
    const [fork] = await capsule.fork(1)
    await expectJailed(fork!)
    expect(await fork!.files.read('/root/text')).toBe('kept')
    await fork!.destroy()
    await capsule.pause()
    await capsule.resume()
    await expectJailed(capsule)
    expect(await capsule.files.read('/root/text')).toBe('kept')
  })

  test('two of them share neither a user nor a namespace', async () => {
    await using one = await client.capsules.create()
    await using two = await client.capsules.create()
    const pids = await Promise.all([pidOf(one), pidOf(two)])
    for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net'])
      expect(new Set(await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/${name}`)))).size).toBe(2)
    expect(new Set(await Promise.all(pids.map(async (pid) => (await stat(`/proc/${pid}`)).uid))).size).toBe(2)
  })

  test('after its end nothing is left: no process, no directory, no control group', async () => {
    const capsule = await client.capsules.create()
    const pid = await pidOf(capsule)
    const ofGroup = (text: string) => text.split('\n').filter((line) => line.includes(`/${capsule.id}.`))
    const groups = ofGroup(await readFile(`/proc/${pid}/cgroup`, 'utf8'))
    const keeper = Number(/^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1])
    await capsule.destroy()
    await expect.poll(() => readFile(`/proc/${keeper}/comm`, 'utf8').catch(() => 'gone')).not.toBe('bwrap\n')
    expect(await readdir(join(wrenn.dataDir, 'capsules'))).not.toContain(capsule.id)
    for (const line of groups) {
      const [, controllers, path] = line.split(':')
      const folder = controllers ? `/sys/fs/cgroup/${controllers}` : '/sys/fs/cgroup'
      await expect
        .poll(() =>
          stat(folder + path).then(
            () => 'there',
            () => 'gone',
          ),
        )
        .toBe('gone')
    }
  })

  test('a server that starts anew takes them up in their jails', async () => {
    const capsule = await client.capsules.create()
    await capsule.files.write('/root/text', 'kept')
    const pid = await pidOf(capsule)
    await wrenn.restart()
    client = new Wrenn({ baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key })
    const again = await client.capsules.connect(capsule.id)
    expect([await pidOf(again), await again.files.read('/root/text')]).toEqual([pid, 'kept'])
    await expectJailed(again)
    await again.createSnapshot({ name: 'adopted', keepSource: true })
    await again.destroy()
    expect(await processesIn(dirOf(again))).toEqual([])
  })

  test('one whose keeper is killed is ended too, and told', async () => {
    const capsule = await client.capsules.create()
    const pid = await pidOf(capsule)
    const keeper = Number(/^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1])
    process.kill(keeper, 'SIGKILL')
    await expect.poll(async () => (await capsule.refresh()).status).toBe('error')
    await expect.poll(() => processesIn(dirOf(capsule))).toEqual([])
    await capsule.destroy()
  })
})
