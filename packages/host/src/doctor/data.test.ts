import { chmod, link, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathsOf } from '../paths.js'
import { startTimeOf } from '../process/identity.js'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkAbilities, tryAbilities } from './abilities.js'
import { checkDataDir, checkDataFormat } from './data.js'
import { checkFileSystem, checkRoom, diskFacts } from './disk.js'
import { groupFolder, namespacePrefix, networkOwner } from '../machine-names.js'
import { checkLeftGroups, removeLeftGroups } from './groups.js'
import { checkModes, fixModes } from './modes.js'
import { checkNetworks } from './networks.js'
import { checkOrphans, checkProcesses, removeOrphans } from './orphans.js'
import { placeOf } from './scratch.js'
import { checkSpeed, measureSpeed } from './speed.js'
import { checkTemplates } from './templates.js'
import { forgetVerdict, isStale } from './verdict.js'

const GiB = 1024 ** 3
let dataDir: string
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'wrenn-checks-'))))
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const at = (...parts: string[]) => join(dataDir, ...parts)

test('room runs low, and out', async () => {
  const room = (gib: number, freeFiles = 1e6) => checkRoom({ freeBytes: gib * GiB, freeFiles }).status
  expect([room(50), room(9.9), room(1.9), room(50, 10)]).toEqual(['ok', 'warning', 'error', 'error'])
  expect((await diskFacts(dataDir)).freeBytes).toBeGreaterThan(0)
})

test.each([
  [0xef53, 'ok', 'ext4'],
  [0x58465342, 'ok', 'xfs'],
  [-1859950530, 'ok', 'btrfs'],
  [0x01021994, 'warning', 'tmpfs'],
  [0x6969, 'warning', 'NFS'],
  [0x794c7630, 'warning', 'container'],
  [0x12345, 'ok', '0x12345'],
])('the file system %i', (type, status, text) => {
  expect(checkFileSystem({ type })).toMatchObject({ status, text: expect.stringContaining(text) as string })
})

test('files are tried, and nothing is left of it', async () => {
  expect((await tryAbilities(dataDir)).links).toBe(true)
  expect(await measureSpeed(dataDir)).toBeGreaterThan(0)
  expect(await readdir(dataDir)).toEqual([])
  const all = { links: true, holes: true, direct: true }
  const without = (name: keyof typeof all) => checkAbilities({ ...all, [name]: false }).status
  expect([checkAbilities(all).status, without('links'), without('holes'), without('direct')]).toEqual([
    'ok',
    'error',
    'error',
    'warning',
  ])
  expect([checkSpeed(500).status, checkSpeed(10).status]).toEqual(['ok', 'warning'])
})

test('what is tried is tried where the next start cleans up, or as near as there is', async () => {
  expect(await placeOf(at('not', 'there'))).toBe(dataDir)
  await mkdir(at('staging'))
  expect(await placeOf(dataDir)).toBe(at('staging'))
})

test('the data directory is a directory, and its format is known', async () => {
  expect((await checkDataDir(dataDir)).status).toBe('ok')
  expect(await checkDataDir(at('new'))).toMatchObject({
    status: 'ok',
    text: expect.stringContaining('first start') as string,
  })
  await writeFile(at('file'), '')
  expect((await checkDataDir(at('file'))).status).toBe('error')
  expect((await checkDataFormat(dataDir)).status).toBe('ok')
  await writeFile(at('format.json'), '{"format":99,"version":"8.0.0"}')
  expect(await checkDataFormat(dataDir)).toMatchObject({
    status: 'error',
    fix: expect.stringContaining('8.0.0') as string,
  })
})

test('secrets that others may read are an error, and are corrected', async () => {
  await chmod(dataDir, 0o700)
  await writeFile(at('secret.key'), 'x', { mode: 0o600 })
  await writeFile(at('api-key'), 'x', { mode: 0o400 })
  expect((await checkModes(dataDir)).status).toBe('ok')
  await chmod(at('secret.key'), 0o640)
  expect(await checkModes(dataDir)).toMatchObject({
    status: 'error',
    items: [expect.stringContaining('secret.key has mode 0640')],
  })
  expect(await fixModes(dataDir)).toEqual([`${at('secret.key')}: mode set to 0600`])
  expect((await stat(at('secret.key'))).mode & 0o777).toBe(0o600)
  expect(await fixModes(dataDir)).toEqual([])
  expect((await checkModes(at('nowhere'))).status).toBe('skipped')
})

test('a verdict of another boot of the machine is stale, and so is one that nobody understands', async () => {
  const file = pathsOf(dataDir).accelerator
  expect(await isStale(dataDir)).toBe(false)
  const read = await open('/proc/sys/kernel/random/boot_id')
  const bootId = (await read.readFile('utf8')).trim()
  await read.close()
  const verdicts = [JSON.stringify({ boot_id: bootId }), JSON.stringify({ boot_id: 'another' }), '{']
  const found: boolean[] = []
  for (const text of verdicts) {
    await writeFile(file, text)
    found.push(await isStale(dataDir))
  }
  expect(found).toEqual([false, true, true])
  await forgetVerdict(dataDir)
  expect(await isStale(dataDir)).toBe(false)
})

/** Makes folders with a file in each. */
async function folders(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(at(name), { recursive: true })
    await writeFile(at(name, 'file'), 'x')
  }
}

test('what nothing refers to is named; what is half-made or of a dead capsule is removed, and nothing else', async () => {
  await folders(
    'staging/s',
    'capsules/dead',
    'capsules/alive',
    'snapshots/kept',
    'snapshots/lost',
    'images/i',
    'images/old',
  )
  await folders('parts/used', 'parts/unused')
  await link(at('parts/used/file'), at('images/i/root'))
  const referred = { snapshotIds: ['kept'], imageIds: ['i'], capsuleIds: ['alive'] }
  const { status, items } = await checkOrphans(dataDir, referred)
  expect(status).toBe('warning')
  expect(items).toEqual(['staging/s', 'capsules/dead', 'snapshots/lost', 'images/old', 'parts/unused'])
  const done = await removeOrphans(dataDir, referred)
  expect(done).toEqual([`${at('capsules/dead')}: removed`, `${at('staging/s')}: removed`])
  expect((await checkOrphans(dataDir, referred)).items).toEqual(['snapshots/lost', 'images/old', 'parts/unused'])
  expect(await readdir(at('capsules'))).toEqual(['alive'])
  expect(await readdir(at('staging'))).toEqual([])
})

test('a process below the directory that no record names is found, and what it works in is left alone', async () => {
  await folders('capsules/ghost/run')
  const child = spawn('sleep', ['60'], { cwd: at('capsules/ghost/run'), stdio: 'ignore' })
  try {
    await once(child, 'spawn')
    expect(await startTimeOf(child.pid!)).toBeDefined()
    expect(await checkProcesses(dataDir)).toMatchObject({ status: 'warning', items: [`pid ${child.pid}`] })
    const referred = { snapshotIds: [], imageIds: [], capsuleIds: [] }
    expect(await removeOrphans(dataDir, referred)).toEqual([])
    expect(await readdir(at('capsules'))).toEqual(['ghost'])
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  expect((await checkProcesses(dataDir)).status).toBe('ok')
})

test('a namespace of this data directory that no record names is left over; those of others are none of ours', async () => {
  const where = { namespaces: at('netns'), links: at('net') }
  const prefix = namespacePrefix(networkOwner(dataDir))
  await folders('capsules/c', 'net/wrenn1', 'net/wrenn2')
  await writeFile(at('capsules/c/capsule.json'), JSON.stringify({ network: { number: 1 } }))
  for (const name of [`${prefix}1`, `${prefix}2`, 'wrenn-00000000-3']) await folders(`netns/${name}`)
  expect(await checkNetworks(dataDir, where)).toMatchObject({
    status: 'warning',
    items: [`namespace ${prefix}2`, 'link wrenn2'],
  })
  expect((await checkNetworks(at('other'), where)).status).toBe('ok')
})

test('control groups of capsules that are over are named, and removed where nothing is in them', async () => {
  const folder = groupFolder(dataDir)
  const name = { alive: 'alive.00', dead: 'dead.01', busy: 'busy.02' }
  for (const group of Object.values(name)) await mkdir(at('groups', folder, group), { recursive: true })
  await writeFile(at('groups', folder, name.busy, 'a-file-keeps-it'), '')
  const found = [at('groups')]
  const { items } = await checkLeftGroups(dataDir, ['alive'], found)
  expect(items?.sort()).toEqual([at('groups', folder, name.busy), at('groups', folder, name.dead)])
  expect(await removeLeftGroups(dataDir, ['alive'], found)).toEqual([at('groups', folder, name.dead)])
  expect((await checkLeftGroups(dataDir, ['alive', 'busy'], found)).status).toBe('ok')
})

test('a snapshot without a manifest, or with one that was altered, is damaged', async () => {
  const signal = AbortSignal.timeout(30_000)
  expect((await checkTemplates({ dataDir, signal })).status).toBe('skipped')
  await folders('snapshots/bare', 'snapshots/odd')
  await writeFile(at('snapshots/odd/manifest.json'), '{"manifest":{},"sha256":"0"}')
  const { status, items } = await checkTemplates({ dataDir, signal })
  expect(status).toBe('error')
  expect(items).toEqual(['bare: its manifest is missing', 'odd: the manifest does not have its digest'])
})
