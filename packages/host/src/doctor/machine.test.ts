import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkClock } from './clock.js'
import { checkGroups, hierarchiesIn } from './groups.js'
import { checkKernel } from './kernel.js'
import { checkKvm } from './kvm.js'
import { checkMemory } from './memory.js'
import { checkNamespaces } from './namespaces.js'
import { checkNode } from './node.js'
import { checkPort } from './port.js'
import { checkQemu, checkQemuFeatures } from './qemu.js'
import { checkTools } from './tools.js'
import { checkTun } from './tun.js'
import { checkUser } from './user.js'

let dir: string
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'wrenn-checks-'))))
afterEach(() => rm(dir, { recursive: true, force: true }))

/** Whatever is not good says what to do. */
const bad = (status: string, text: string) => ({
  status,
  text: expect.stringContaining(text) as string,
  fix: expect.stringMatching(/\w/) as string,
})

test('Node.js has to be new enough, and the machine one that Wrenn runs on', () => {
  const machine = { platform: 'linux', arch: 'x64' }
  expect(checkNode({ ...machine, version: '20.19.0' }).status).toBe('ok')
  expect(checkNode({ ...machine, version: '24.0.0' }).status).toBe('ok')
  expect(checkNode({ ...machine, version: '20.18.9' })).toMatchObject(bad('error', 'too old'))
  expect(checkNode({ ...machine, version: '22.0.0', arch: 'arm64' })).toMatchObject(bad('error', 'arm64'))
})

test.each([
  ['6.1.0-13-amd64', 'ok'],
  ['5.10.0', 'ok'],
  ['5.4.0-generic', 'warning'],
  ['4.4.0', 'error'],
  ['custom', 'warning'],
])('the kernel %s is %s', (release, status) => expect(checkKernel(release).status).toBe(status))

describe('QEMU', () => {
  const said =
    (...lines: string[]) =>
    () =>
      Promise.resolve(lines)

  test.each([
    ['QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)', 'ok', '10.0.2'],
    ['QEMU emulator version 8.2.0', 'ok', '8.2.0'],
    ['QEMU emulator version 8.1.9', 'error', 'too old'],
    ['something else', 'error', 'unknown version'],
  ])('%s', async (line, status, text) => {
    expect(await checkQemu(said(line))).toMatchObject({ status, text: expect.stringContaining(text) as string })
  })

  test('that is not there', async () => {
    const absent = () => Promise.reject(new Error('could not be started'))
    expect(await checkQemu(absent)).toMatchObject(bad('error', 'no qemu-system'))
    expect(await checkQemuFeatures(absent)).toMatchObject(bad('error', 'could not be started'))
  })

  const having = (machine: string, ...accelerators: string[]) =>
    checkQemuFeatures(async (_, ...args) => (args.includes('-accel') ? ['Accelerators:', ...accelerators] : [machine]))

  test('needs its machine, and is slow without KVM', async () => {
    expect(await having('microvm              microvm (i386)', 'tcg', 'kvm')).toMatchObject({ status: 'ok' })
    expect(await having('pc  Standard PC', 'tcg', 'kvm')).toMatchObject(bad('error', 'microvm'))
    expect(await having('microvm  x', 'tcg')).toMatchObject(bad('warning', 'without KVM'))
    expect(await having('microvm  x')).toMatchObject(bad('error', 'neither'))
  })
})

describe('KVM', () => {
  const check = (more: object) => checkKvm({ dataDir: dir, accelerator: 'auto', isFresh: false, ...more })
  const device = () => join(dir, 'kvm')
  const probed = (accelerator: string, acceleratorReason: string) => async () => ({ accelerator, acceleratorReason })

  test('is not there, or not wanted', async () => {
    expect(await check({ device: device() })).toMatchObject(bad('warning', 'has no KVM'))
    expect(await check({ accelerator: 'tcg' })).toMatchObject(bad('warning', 'asks for emulation'))
  })

  test('works when a guest booted under it, and only then', async () => {
    await writeFile(device(), '')
    const with_ = (probe: unknown) => check({ device: device(), probe })
    expect(await with_(probed('kvm', 'a guest booted'))).toEqual({ status: 'ok', text: 'KVM: a guest booted' })
    expect(await with_(probed('tcg', 'it hangs'))).toMatchObject(bad('warning', 'it hangs'))
    expect(await with_(() => Promise.reject(new Error('no QEMU')))).toMatchObject(bad('error', 'no QEMU'))
    expect(await check({ device: device() })).toMatchObject(bad('warning', 'there is no image'))
  })
})

test('tools that are missing are named with what they are for', async () => {
  const needed = ['qemu-img', 'mmdebstrap', 'mke2fs', 'tar', 'zstd', 'lz4', 'xz']
  const without = await checkTools(dir, [])
  expect(without).toMatchObject(bad('error', 'mmdebstrap'))
  expect(without.items).toContain('nft: filters what capsules reach')
  for (const name of needed) await symlink('/bin/true', join(dir, name))
  expect(await checkTools(dir, [])).toMatchObject(bad('warning', 'Missing: bwrap, nft, ip.'))
  for (const name of ['bwrap', 'nft', 'ip']) await symlink('/bin/true', join(dir, name))
  expect(await checkTools('/nowhere', [dir])).toMatchObject({ status: 'ok' })
})

test('a namespace that the system refuses is named', async () => {
  const asked: string[][] = []
  const refusing = async (_: string, ...args: string[]) => {
    asked.push(args)
    if (args.includes('--net')) throw new Error('unshare failed:\nOperation not permitted')
    return []
  }
  expect(await checkNamespaces(true, refusing)).toMatchObject({
    ...bad('warning', 'net'),
    items: ['net: Operation not permitted'],
  })
  expect(asked.filter((args) => args.includes('--map-root-user'))).toHaveLength(1)
  expect(await checkNamespaces(false, () => Promise.resolve([]))).toMatchObject({ status: 'ok' })
})

test('control groups of either version are found, and tried', async () => {
  const mountinfo = [
    `30 25 0:26 / ${dir} rw,nosuid - cgroup cgroup rw,memory`,
    `31 25 0:27 / /elsewhere rw - cgroup2 cgroup2 rw`,
    `32 25 0:28 / /proc rw - proc proc rw`,
  ].join('\n')
  expect(hierarchiesIn(mountinfo)).toEqual([dir, '/elsewhere'])
  expect(await checkGroups([dir, join(dir, 'not-there')])).toMatchObject({ status: 'ok' })
  expect(await checkGroups([join(dir, 'not-there')])).toMatchObject(bad('warning', 'No control group'))
  expect(await checkGroups([])).toMatchObject(bad('warning', 'No control group'))
})

test('a tap device matters to root alone', async () => {
  await writeFile(join(dir, 'tun'), '')
  expect(await checkTun(false, join(dir, 'none'))).toMatchObject({ status: 'skipped' })
  expect(await checkTun(true, join(dir, 'none'))).toMatchObject(bad('warning', 'There is no'))
  expect(await checkTun(true, join(dir, 'tun'))).toMatchObject({ status: 'ok' })
})

test('not to be root has its price', () => {
  expect(checkUser(0).status).toBe('ok')
  expect(checkUser(1000)).toMatchObject(bad('warning', 'no network'))
})

test.each([
  ['MemAvailable:    8000000 kB', 'ok'],
  ['MemAvailable:    1500000 kB', 'warning'],
  ['MemAvailable:     300000 kB', 'error'],
  ['MemFree:     300000 kB', 'warning'],
])('memory: %s is %s', async (line, status) => expect((await checkMemory(`${line}\n`)).status).toBe(status))

test('a clock before the newest file is wrong', () => {
  const now = Date.parse('2026-01-02T00:00:00Z')
  expect(checkClock({ now, newest: now + 3_600_000, isSynced: true })).toMatchObject(bad('error', 'files of 2026'))
  expect(checkClock({ now, newest: now + 1000, isSynced: undefined }).status).toBe('ok')
  expect(checkClock({ now, newest: 0, isSynced: false })).toMatchObject(bad('warning', 'nothing sets the clock'))
})

test('an address is free, ours, or another program’s', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const check = (isOurs: boolean, at = { host: '127.0.0.1', port }) => checkPort(at, () => Promise.resolve(isOurs))
  try {
    expect(await check(true)).toMatchObject({ status: 'ok', text: expect.stringContaining('Wrenn') as string })
    expect(await check(false)).toMatchObject(bad('error', 'Another program'))
    expect(await check(false, { host: '192.0.2.1', port })).toMatchObject(bad('error', 'no address'))
    expect(await check(false, { host: '127.0.0.1', port: 0 })).toMatchObject({ status: 'ok' })
  } finally {
    server.close()
    await once(server, 'close')
  }
  expect(await check(false)).toMatchObject({ status: 'ok', text: expect.stringContaining('free') as string })
})
