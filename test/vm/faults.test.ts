/**
 * QEMU killed in each state of a capsule, and guests that end by themselves: whoever waits is told at once,
 * the capsule says why it is in error, others go on, and nothing is left.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Capsule } from 'wrenn'
import { groupFolder } from '@wrenn/host'
import { within } from '../../packages/host/src/wait.js'
import { Socket } from '../../packages/server/src/testing/socket.js'
import type { Answer } from '../support/api.js'
import { FileCalls, type Rule, type Stopped } from '../support/calls/calls.js'
import { countingCapsule, expectCounts } from '../support/counting.js'
import { namespacesOf, UpServer } from '../support/server.js'
import { freshDataDir, processesIn, removeDataDir } from '../support/vm.js'

/** A death that can be seen is told sooner than this: no deadline of ours is shorter. */
const PROMPT_MS = 6_000
/** What hangs is given up sooner than this. */
const HANG_MS = 30_000

let dataDir: string
let calls: FileCalls
let server: UpServer
let source: Capsule
beforeAll(async () => {
  dataDir = await freshDataDir()
  calls = FileCalls.open(join(dataDir, 'calls'))
  server = await UpServer.start({ dataDir, calls })
  source = await countingCapsule(server.client)
  await source.createSnapshot({ name: 'old', keepSource: true })
})
afterAll(async () => {
  await server?.end()
  calls?.close()
  for (const pid of await processesIn(dataDir)) process.kill(pid, 'SIGKILL')
  await removeDataDir(dataDir)
})

afterEach(async () => {
  if (!server.isRunning) return
  const others = (await server.client.capsules.list()).filter(({ id }) => id !== source.id)
  await Promise.all(others.map((one) => one.destroy()))
})

const opensMemory = /^open \/proc\/\d+\/mem/
const writesRecord = /^writeFile \S+\/capsule\.json\.next/
const joinsGroup = /^writeFile \S+\/cgroup\.procs/
const takesDevices = /^handle\.truncate \S+\/devices\.saved/
const writesDifference = /^open \S+\/staging\/\S+\/memory-\w+\.difference/
const publishes = /^rename \S+\/staging\/\S+ \S+\/snapshots\//

const create = (template = 'old') => server.api.call('createCapsule', { json: { template } })
const snapshot = ({ id }: Capsule, json: object) =>
  server.api.call('createSnapshot', { json: { sandbox_id: id, name: 'never', ...json } })
const fork = async (from: Capsule) => (await from.fork(1))[0]!
const reached = (stopped: Promise<Stopped>) => within(20_000, stopped, () => new Error('the call did not come'))
const told = (answer: Promise<Answer>) => within(PROMPT_MS, answer, () => new Error('nobody was told'))
/** Kills it; the server has seen that when its group is gone. */
async function kill(id: string, pid?: number): Promise<void> {
  process.kill(pid ?? (await server.pidOf(id)), 'SIGKILL')
  await expect.poll(async () => (await server.found()).groups).not.toContain(id)
}
const statusOf = async (id: string) => (await server.client.capsules.connect(id)).status

/** It is in error and says why. */
async function expectEnded(id: string, reason: RegExp): Promise<void> {
  const shown = async () => (await server.api.call('getCapsule', { params: { id } })).body
  await expect
    .poll(shown, { timeout: PROMPT_MS })
    .toMatchObject({ status: 'error', reason: expect.stringMatching(reason) })
}

/** Those run, and nothing of any other is there; the only template is as it was. */
async function expectOnly(...running: Capsule[]): Promise<void> {
  const ids = running.map(({ id }) => id).sort()
  const nothingElse = { capsules: ids, groups: ids, processes: ids.length, elsewhere: 0, staging: [] }
  await expect.poll(() => server.found(), { timeout: 5_000 }).toMatchObject(nothingElse)
  const listed = (await server.client.capsules.list()).filter(({ status }) => status === 'running')
  expect(listed.map(({ id }) => id).sort()).toEqual(ids)
  const templates = await server.client.templates.list({ type: 'snapshot' })
  expect(templates.map(({ name }) => name)).toEqual(['old'])
  for (const one of running) await expectCounts(one)
}

/** Who started beside those that are known. */
async function newcomer(...known: Capsule[]): Promise<string> {
  const names = await readdir(join(dataDir, 'capsules'))
  return names.find((name) => !known.some(({ id }) => id === name))!
}

test.each<[string, Rule]>([
  ['before it has greeted', { call: joinsGroup, when: 'after' }],
  ['while its memory is put in place', { call: opensMemory }],
  ['before its record is written', { call: writesRecord }],
  ['right after its record is written', { call: writesRecord, when: 'after' }],
])('a start whose QEMU is killed %s fails and leaves nothing', async (_, rule) => {
  const stopped = calls.stop(rule)
  const starting = create()
  const call = await reached(stopped)
  const id = await newcomer(source)
  // What is on its way into its jail is not where it will work.
  const group = /\S+\/cgroup\.procs/.exec(call.text)?.[0]
  await kill(id, group ? Number(await readFile(group, 'utf8')) : undefined)
  call.go()
  expect(await told(starting)).toMatchObject({ status: 503, body: { error: { code: 'host_unavailable' } } })
  await expectEnded(id, /./)
  await expectOnly(source)
})

test('a start whose QEMU is killed while a hook runs in it fails at once', async () => {
  const base = await fork(source)
  await base.commands.run('mkdir -p /etc/wrenn/after-restore.d')
  await base.files.write('/etc/wrenn/after-restore.d/wait', '#!/bin/sh\necho hooked > /dev/shm/hooked\nsleep 9\n')
  await base.commands.run('chmod +x /etc/wrenn/after-restore.d/wait')
  // Nothing tells from outside that the hook runs, but for a hook that is over: the agent has been asked to by then.
  const opened = calls.stop({ call: opensMemory, when: 'after' })
  const forking = server.api.call('forkCapsule', { params: { id: base.id }, json: {} })
  const call = await reached(opened)
  const id = await newcomer(source, base)
  const pid = await server.pidOf(id)
  call.go()
  await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(true)
  process.kill(pid, 'SIGKILL')
  expect([502, 503]).toContain((await told(forking)).status)
  await expectEnded(id, /./)
  await base.destroy()
  await expectOnly(source)
})

/** Whether a guest takes its processor: it does more than wait. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11]) > 30
}

test('whoever is connected to a capsule is told at once that its QEMU was killed', async () => {
  const capsule = await fork(source)
  const { id } = capsule
  const serving = { url: server.url, key: server.key }
  const running = server.api.call('exec', { params: { id }, json: { cmd: 'sleep', args: ['1000'] } })
  const stream = await new Socket(serving, `/v1/capsules/${id}/exec/stream`).open()
  stream.say({ type: 'start', cmd: 'cat' })
  await stream.next()
  const terminal = await new Socket(serving, `/v1/capsules/${id}/pty`).open()
  terminal.say({ type: 'start', cmd: 'sh' })
  await terminal.next()
  const reading = capsule.files.read('/dev/zero').then(
    () => 'read',
    () => 'failed',
  )
  const ends = Promise.all([running, stream.closed, terminal.closed, reading])
  await kill(id)
  const [answer, ...others] = await within(PROMPT_MS, ends, () => new Error('somebody was not told'))
  expect(answer).toMatchObject({ status: 502, body: { error: { code: 'agent_error' } } })
  expect(others).toEqual([expect.any(Number), expect.any(Number), 'failed'])
  await expectEnded(id, /^QEMU ended/)
  expect(await server.api.call('exec', { params: { id }, json: { cmd: 'true' } })).toMatchObject({
    status: 409,
    body: { error: { code: 'invalid_state' } },
  })
  await expectOnly(source)
})

test.each<[string, Rule, { keep_source?: boolean }]>([
  ['while it is held for a live snapshot', { call: takesDevices }, { keep_source: true }],
  ['while its difference is written and it runs on', { call: writesDifference }, { keep_source: true }],
  ['while it is held for a snapshot', { call: writesDifference }, {}],
  ['before a snapshot of it is published', { call: publishes }, {}],
])('a capsule whose QEMU is killed %s is in error, and there is no template', async (_, rule, json) => {
  const capsule = await fork(source)
  const stopped = calls.stop(rule)
  const capturing = snapshot(capsule, json)
  const call = await reached(stopped)
  await kill(capsule.id)
  await expectEnded(capsule.id, /^QEMU ended/)
  call.go()
  const { status, body } = await told(capturing)
  // By the time that it is whole, the store knows that its source has ended.
  expect([status, body.error.code]).toEqual(
    rule.call === publishes ? [409, 'invalid_state'] : [503, 'host_unavailable'],
  )
  await expectOnly(source)
})

test('a pause whose QEMU is killed is none', async () => {
  const capsule = await fork(source)
  const stopped = calls.stop({ call: publishes })
  const pausing = server.api.call('pauseCapsule', { params: { id: capsule.id } })
  const call = await reached(stopped)
  await kill(capsule.id)
  await expectEnded(capsule.id, /^QEMU ended/)
  call.go()
  expect((await told(pausing)).status).toBeGreaterThanOrEqual(409)
  expect(await statusOf(capsule.id)).toBe('error')
  await expectOnly(source)
})

test('a resume whose QEMU is killed leaves it paused, and the next one succeeds', async () => {
  const capsule = await fork(source)
  await capsule.pause()
  const params = { id: capsule.id }
  for (const rule of [{ call: opensMemory }, { call: writesRecord, when: 'after' }] satisfies Rule[]) {
    const stopped = calls.stop(rule)
    const resuming = server.api.call('resumeCapsule', { params })
    const call = await reached(stopped)
    await kill(capsule.id)
    call.go()
    expect(await told(resuming)).toMatchObject({ status: 503, body: { error: { code: 'host_unavailable' } } })
    expect(await statusOf(capsule.id)).toBe('paused')
    await expectOnly(source)
  }
  await capsule.resume()
  await expectOnly(source, capsule)
  await capsule.destroy()
})

test('of a fork, the source and one child may be killed: the others run', async () => {
  const from = await fork(source)
  const stopped = calls.stop({ call: opensMemory })
  const forking = server.api.call('forkCapsule', { params: { id: from.id }, json: { count: 3 } })
  const call = await reached(stopped)
  await kill(from.id)
  process.kill(Number(/\d+/.exec(call.text)![0]), 'SIGKILL')
  call.go()
  const { status, body } = await told(forking)
  expect(status).toBe(201)
  const children = body as { id: string; status: string; reason?: string }[]
  expect(children.map((one) => one.status).sort()).toEqual(['error', 'running', 'running'])
  expect(children.find((one) => one.status === 'error')!.reason).toMatch(/./)
  await expectEnded(from.id, /^QEMU ended/)
  const running = children.filter((one) => one.status === 'running')
  const whole = await Promise.all(running.map(({ id }) => server.client.capsules.connect(id)))
  await expectOnly(source, ...whole)
  await Promise.all(whole.map((one) => one.destroy()))
})

test.each([
  ['panics', 'echo c > /proc/sysrq-trigger'],
  ['starts anew', 'echo b > /proc/sysrq-trigger'],
  ['powers off', 'echo o > /proc/sysrq-trigger'],
])('a guest whose kernel %s has ended, and who waits for it is told', async (_, command) => {
  const capsule = await fork(source)
  const params = { id: capsule.id }
  const waiting = server.api.call('exec', { params, json: { cmd: 'sleep', args: ['1000'] } })
  await capsule.files.write('/root/ready', '')
  const ending = server.api.call('exec', { params, json: { cmd: 'sh', args: ['-c', command] } })
  // A kernel that powers off may be quicker to answer than to end.
  expect(
    await within(
      2 * PROMPT_MS,
      Promise.all([waiting, ending]).then(([one]) => one),
      () => new Error('nobody was told'),
    ),
  ).toMatchObject({ status: 502 })
  await expectEnded(capsule.id, /./)
  await expectOnly(source)
})

test('a QEMU that hangs is given up at its deadlines: others go on, it does when it can, and until then it can be ended', async () => {
  const [hung, ended] = (await source.fork(2)) as [Capsule, Capsule]
  const [pid] = await Promise.all(
    [hung, ended].map(async ({ id }) => {
      const pid = await server.pidOf(id)
      process.kill(pid, 'SIGSTOP')
      return pid
    }),
  )
  try {
    const params = { id: hung.id }
    const pausing = server.api.call('pauseCapsule', { params })
    const ending = server.api.call('deleteCapsule', { params: { id: ended.id } })
    await expectCounts(source)
    expect(await within(PROMPT_MS, ending, () => new Error('it was not ended'))).toMatchObject({ status: 204 })
    const answer = await within(HANG_MS, pausing, () => new Error('it was not given up'))
    expect(answer).toMatchObject({ status: 502, body: { error: { code: 'agent_error' } } })
    expect(await statusOf(hung.id)).toBe('running')
  } finally {
    process.kill(pid!, 'SIGCONT')
  }
  await expectOnly(source, hung)
  await hung.pause()
  await hung.resume()
  await expectCounts(hung)
})

test('a QEMU that uses more memory than its group allows ends, and says so', async (context) => {
  const capsule = await fork(source)
  const limit = await limitFile(capsule.id)
  if (limit === undefined) return context.skip('there are no control groups that bound memory here')
  const { max, current } = limit
  await writeFile(max, String(Number(await readFile(current, 'utf8')) + 16 * 1024 * 1024))
  const filling = server.api.call('exec', {
    params: { id: capsule.id },
    json: { cmd: 'sh', args: ['-c', 'head -c 200000000 /dev/urandom > /dev/shm/much'] },
  })
  expect(await within(20_000, filling, () => new Error('nobody was told'))).toMatchObject({ status: 502 })
  await expectEnded(capsule.id, /^QEMU ended/)
  await expectOnly(source)
})

/** Where a capsule's memory is bounded. */
async function limitFile(id: string): Promise<{ max: string; current: string } | undefined> {
  const files = [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max', 'memory.current'],
  ] as const
  for (const [path, max, current] of files) {
    const folder = join(path, groupFolder(dataDir))
    const name = (await readdir(folder).catch(() => [])).find((one) => one.startsWith(id))
    if (name) return { max: join(folder, name, max), current: join(folder, name, current) }
  }
  return undefined
}

test('in the end nothing is left', async () => {
  await source.destroy()
  await server.end('SIGTERM')
  expect(await server.found()).toMatchObject({ capsules: [], staging: [], processes: 0, elsewhere: 0, groups: [] })
  expect(await namespacesOf(dataDir)).toEqual([])
})
