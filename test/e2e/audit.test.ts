/** What looks for leftovers after a run of the tests: each kind is planted, found, and removed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupFolder, Groups } from '@wrenn/host'
import { networkOwner, resolverPort } from '@wrenn/host/doctor'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findLeft, resolverLines, resolverPorts, type Scope } from '../support/audit/left.js'
import { deadDirectories, RUN_VARIABLE, temporaryOf } from '../support/audit/run.js'
import { sweep } from '../support/audit/sweep.js'

let temporary: string
let dataDir: string
let scope: Scope
const children: ChildProcess[] = []
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'wrenn-audit-'))
  dataDir = join(temporary, 'data')
  scope = { temporary, dataDirs: [dataDir], programs: [], resolversBefore: await resolverPorts() }
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await sweep([temporary])
})

async function sleeping(options: { cwd?: string; env?: Record<string, string> }): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', ...options })
  children.push(child)
  await once(child, 'spawn')
  return child
}

/** Whether a command of an administrator works here. */
const works = (program: string, ...args: string[]) => spawnSync(program, args, { stdio: 'ignore' }).status === 0

test('nothing is found where nothing is left', async () => {
  expect(await findLeft(scope)).toEqual([])
})

test('files, and processes that work there or were told of it, are found and removed', async () => {
  await mkdir(dataDir)
  const works = await sleeping({ cwd: dataDir })
  const told = await sleeping({ env: { WRENN_DATA_DIR: dataDir } })
  await sleeping({ env: {} })
  const left = await findLeft(scope)
  expect(left.sort()).toEqual(
    [`file or directory ${dataDir}`, `process ${works.pid}: sleep 600`, `process ${told.pid}: sleep 600`].sort(),
  )
  const ended = Promise.all([once(works, 'exit'), once(told, 'exit')])
  await sweep([temporary])
  await ended
  expect(await readdir(temporary).catch(() => [])).toEqual([])
})

test('a program of the run that lost what it was told of is found by where it lies', async () => {
  const child = await sleeping({ env: {} })
  expect(await findLeft({ ...scope, programs: ['sleep 600'] })).toContain(`process ${child.pid}: sleep 600`)
})

test.runIf(process.getuid?.() === 0)(
  'what a server made on the machine is found, also of a directory that is gone',
  async () => {
    const groups = await Groups.open(groupFolder(dataDir))
    await groups.make('cl-left.1', { fileBytes: 1e9, memoryBytes: 1e9, threads: 10, vcpus: 1 })
    const namespace = `wrenn-${networkOwner(dataDir)}-99999`
    const canNet = works('ip', 'netns', 'add', namespace)
    const place = join(temporary, 'mounted')
    await mkdir(place)
    const canMount = works('mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', place)
    const backing = join(temporary, 'backing')
    await writeFile(backing, Buffer.alloc(65_536))
    const loop = spawnSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' })
    const left = (await findLeft(scope)).join('\n')
    const canGroup = groups.has('pids')
    expect([canGroup, canNet, canMount, loop.status === 0]).toEqual([
      left.includes(`/${groupFolder(dataDir)}/cl-left.1`),
      left.includes(`namespace ${namespace}`),
      left.includes(`mount ${place}`),
      left.includes(`loop device ${loop.stdout?.trim().replace('/dev/', '')} of ${backing}`),
    ])
    await sweep([temporary])
    await sweep([dataDir])
    expect(await findLeft(scope)).toEqual([])
  },
)

test('a resolver in the rules is told by the port of its server', () => {
  const port = resolverPort(networkOwner(dataDir))
  const rules = `set resolvers {\n elements = { 10.213.255.254 . 1,\n 10.213.255.254 . ${port} }\n}`
  expect(resolverLines(rules, [dataDir], new Set())).toEqual([expect.stringContaining(dataDir)])
  expect(resolverLines(rules.replace(String(port), '2'), [dataDir], new Set())).toEqual([])
  expect(resolverLines(rules, [dataDir], new Set([port]))).toEqual([])
})

test('directories of runs that are dead are told from that of this one', async () => {
  const own = process.env[RUN_VARIABLE]!
  const stat = (await readFile('/proc/self/stat', 'utf8')).split(' ')
  // The same number of a process, of another time.
  const dead = temporaryOf(`${process.pid}-${Number(stat[21]) - 1}`)
  await mkdir(dead)
  await mkdir(temporaryOf(own))
  try {
    const found = await deadDirectories()
    expect(found).toContain(dead)
    expect(found).not.toContain(temporaryOf(own))
  } finally {
    for (const path of [dead, temporaryOf(own)]) await rm(path, { recursive: true })
  }
})
