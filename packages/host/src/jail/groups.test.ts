import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findHierarchies, Groups, type Hierarchy } from './groups.js'

const limits = { memoryBytes: 512 * 1024 * 1024, threads: 77, vcpus: 3, fileBytes: 1 }
let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'wrenn-groups-'))
})
afterEach(() => rm(root, { recursive: true }))

test('both versions are found in the table of mounts, and each controller once', async () => {
  await writeFile(join(root, 'cgroup.controllers'), 'cpuset cpu memory hugetlb pids\n')
  const first = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd`
  const old = [
    { version: 1, path: '/sys/fs/cgroup/memory', has: ['memory'] },
    { version: 1, path: '/sys/fs/cgroup/cpu,cpuacct', has: ['cpu'] },
  ]
  expect(await findHierarchies(first)).toEqual(old)
  const unified = `30 23 0:26 / ${root} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate`
  expect(await findHierarchies(unified)).toEqual([{ version: 2, path: root, has: ['memory', 'pids', 'cpu'] }])
  expect(await findHierarchies(`${first}\n${unified}`)).toEqual([...old, { version: 2, path: root, has: ['pids'] }])
  expect(await findHierarchies('')).toEqual([])
})

test.each([
  [1, 'memory.limit_in_bytes', 'pids.max', 'cpu.shares', '3072'],
  [2, 'memory.max', 'pids.max', 'cpu.weight', '300'],
] as const)('the limits are written as version %i names them', async (version, memory, pids, cpu, share) => {
  const groups = await Groups.open('ours', [{ version, path: root, has: ['memory', 'pids', 'cpu'] }])
  await groups.make('one', limits)
  const written = await Promise.all([memory, pids, cpu].map((file) => readFile(join(root, 'ours/one', file), 'utf8')))
  expect(written).toEqual([String(limits.memoryBytes), '77', share])
  if (version === 2)
    expect(await readFile(join(root, 'ours/cgroup.subtree_control'), 'utf8')).toBe('+memory +pids +cpu')
})

test('where none can be made, there is none, and all goes on', async () => {
  await writeFile(join(root, 'file'), '')
  const groups = await Groups.open('ours', [{ version: 2, path: join(root, 'file'), has: ['memory', 'cpu'] }])
  expect([groups.has('memory'), groups.has('cpu')]).toEqual([false, false])
  await groups.make('one', limits)
  await groups.join('one', process.pid)
  await groups.remove('one')
  await groups.close()
})

test('the groups of one directory are found by how their names begin', async () => {
  const groups = await Groups.open('ours', [{ version: 1, path: root, has: ['memory'] }])
  for (const name of ['cl-1.aaaa', 'cl-1.bbbb', 'cl-10.cccc']) await groups.make(name, limits)
  expect((await groups.adopt('cl-1.')).sort()).toEqual(['cl-1.aaaa', 'cl-1.bbbb'])
  expect(await groups.adopt('cl-2.')).toEqual([])
})

const found: Hierarchy[] = await findHierarchies(await readFile('/proc/self/mountinfo', 'utf8'))
const folder = `wrenn-test-${process.pid}`
const tried = await Groups.open(folder)
const isThere = tried.has('memory') && tried.has('pids')
await tried.close()

describe.skipIf(!isThere)(`in the kernel's${isThere ? '' : ' (skipped: they cannot be made here)'}`, () => {
  let groups: Groups
  let child: ChildProcess
  let ended: Promise<unknown>
  const open = (path: string) => readdir(join(found[0]!.path, folder, path)).catch(() => undefined)
  beforeEach(async () => {
    groups = await Groups.open(folder)
    child = spawn('sleep', ['1000'])
    ended = once(child, 'exit')
  })
  afterEach(async () => {
    child.kill('SIGKILL')
    await ended
    await groups.close()
    await expect.poll(() => open('')).toBeUndefined()
  })

  test('a process is in its group until it ends, and the group no longer than that', async () => {
    await groups.make('one', limits)
    await groups.join('one', child.pid!)
    expect(await readFile(`/proc/${child.pid}/cgroup`, 'utf8')).toContain(`/${folder}/one\n`)
    await groups.remove('one')
    expect(await open('one')).toBeDefined()
    child.kill('SIGKILL')
    await ended
    await expect.poll(() => open('one')).toBeUndefined()
  })

  test('what a server before left behind is swept away, also what is about to end, and what is adopted is not', async () => {
    for (const name of ['one', 'two', 'cl-1.aaaa']) await groups.make(name, limits)
    await groups.join('two', child.pid!)
    const next = await Groups.open(folder)
    await next.adopt('cl-1.')
    await next.sweep()
    expect([await open('one'), (await open('two')) !== undefined]).toEqual([undefined, true])
    child.kill('SIGKILL')
    await ended
    await expect.poll(() => open('two')).toBeUndefined()
    expect(await open('cl-1.aaaa')).toBeDefined()
  })
})

test('a folder that is there already is used', async () => {
  await mkdir(join(root, 'ours'))
  const groups = await Groups.open('ours', [{ version: 1, path: root, has: ['pids'] }])
  expect(groups.has('pids')).toBe(true)
})
