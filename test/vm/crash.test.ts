/**
 * `wrenn up` on real QEMU, killed while many operations are under way, each stopped at a chosen call: before what it made
 * gets its name, after it is captured and before the store knows, between QEMU's start and its record. All steps are gone
 * through on the fake vmm; these are those where a process, its memory or a control group is what could be left.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Capsule } from 'wrenn'
import { within } from '../../packages/host/src/wait.js'
import { FileCalls, type Rule } from '../support/calls/calls.js'
import { countingCapsule, countOf, expectCounts } from '../support/counting.js'
import { namespacesOf, UpServer } from '../support/server.js'
import { freshDataDir, processesIn, removeDataDir } from '../support/vm.js'

let dataDir: string
let calls: FileCalls
let server: UpServer
let bystander: Capsule
beforeAll(async () => {
  dataDir = await freshDataDir()
  calls = FileCalls.open(join(dataDir, 'calls'))
  server = await UpServer.start({ dataDir, calls })
  bystander = await countingCapsule(server.client)
})
afterAll(async () => {
  await server?.end()
  calls?.close()
  for (const pid of await processesIn(dataDir)) process.kill(pid, 'SIGKILL')
  await removeDataDir(dataDir)
})

const operations = ['create', 'keep', 'move', 'overwrite', 'fork', 'pause', 'resume', 'delete'] as const
type Operation = (typeof operations)[number]
/** What is left of an operation that was killed there: nothing of it, or all of it. */
type Point = Rule & { leaves: 'nothing' | 'all' }
type Round = Record<Operation, Point>

const publishes = /^rename \S+\/staging\/\S+ \S+\/snapshots\//
const isPublished = /^handle\.sync \S+\/snapshots$/
const writesRecord = /^writeFile \S+\/capsule\.json\.next/
const placesRecord = /^rename \S+\/capsule\.json\.next/
const joinsGroup = /^writeFile \S+\/cgroup\.procs/
const opensMemory = /^open \/proc\/\d+\/mem/
const hidesCapsule = /^rename \S+\/capsules\/\S+ \S+\/staging\//
const removesHidden = /^rm \S+\/staging\/\d+-\w+$/
const hidesSnapshot = /^rename \S+\/snapshots\/\S+ \S+\/staging\//

const rounds: Record<string, Round> = {
  'before anything has its name': {
    create: { call: writesRecord, leaves: 'nothing' },
    keep: { call: publishes, leaves: 'nothing' },
    move: { call: publishes, leaves: 'nothing' },
    overwrite: { call: isPublished, when: 'after', leaves: 'nothing' },
    fork: { call: opensMemory, leaves: 'nothing' },
    pause: { call: publishes, leaves: 'nothing' },
    resume: { call: joinsGroup, leaves: 'nothing' },
    delete: { call: hidesCapsule, leaves: 'all' },
  },
  'after the host is done, and before the store knows': {
    create: { call: placesRecord, when: 'after', leaves: 'nothing' },
    keep: { call: placesRecord, when: 'after', leaves: 'nothing' },
    move: { call: isPublished, when: 'after', leaves: 'nothing' },
    overwrite: { call: publishes, leaves: 'nothing' },
    fork: { call: placesRecord, leaves: 'nothing' },
    pause: { call: isPublished, when: 'after', leaves: 'nothing' },
    resume: { call: placesRecord, when: 'after', leaves: 'nothing' },
    delete: { call: hidesCapsule, when: 'after', leaves: 'all' },
  },
  'after the store knows, and before what is over is gone': {
    create: { call: joinsGroup, when: 'after', leaves: 'nothing' },
    keep: { call: placesRecord, leaves: 'nothing' },
    move: { call: hidesCapsule, leaves: 'all' },
    overwrite: { call: hidesCapsule, leaves: 'all' },
    fork: { call: hidesSnapshot, leaves: 'all' },
    pause: { call: hidesCapsule, leaves: 'all' },
    resume: { call: hidesSnapshot, leaves: 'all' },
    delete: { call: removesHidden, leaves: 'all' },
  },
}

type Sources = Record<Operation, Capsule>

async function prepare(): Promise<Sources> {
  const forks = await bystander.fork(operations.length)
  const sources = Object.fromEntries(operations.map((name, i) => [name, forks[i]!])) as Sources
  await sources.create.createSnapshot({ name: 'old' })
  await sources.resume.pause()
  return sources
}

function begin(operation: Operation, { id }: Capsule): Promise<unknown> {
  const params = { id }
  const snapshot = (json: object, query = '') =>
    server.api.call('createSnapshot', { query, json: { sandbox_id: id, ...json } })
  switch (operation) {
    case 'create':
      return server.api.call('createCapsule', { json: { template: 'old' } })
    case 'keep':
      return snapshot({ name: 'keep', keep_source: true })
    case 'move':
      return snapshot({ name: 'move' })
    case 'overwrite':
      return snapshot({ name: 'old' }, '?overwrite=true')
    case 'fork':
      return server.api.call('forkCapsule', { params, json: { count: 2 } })
    case 'pause':
      return server.api.call('pauseCapsule', { params })
    case 'resume':
      return server.api.call('resumeCapsule', { params })
    case 'delete':
      return server.api.call('deleteCapsule', { params })
  }
}

/** Begins all and kills the server when each stands at its point. */
async function killAt(round: Round, sources: Sources): Promise<void> {
  for (const operation of operations) {
    const reached = calls.stop(round[operation])
    const ended = begin(operation, sources[operation]).then(
      (answer) => Promise.reject(new Error(`${operation} was answered: ${JSON.stringify(answer)}`)),
      (error: unknown) => Promise.reject(new Error(`${operation} ended`, { cause: error })),
    )
    ended.catch(() => {})
    await within(20_000, Promise.race([reached, ended]), () => new Error(`${operation} does not come to its point`))
  }
  await server.end()
}

/** What must be there of an operation. */
async function expectLeft(operation: Operation, source: Capsule, isDone: boolean): Promise<void> {
  const names = (await server.client.templates.list({ type: 'snapshot' })).map(({ name }) => name)
  const capsule = await server.client.capsules.connect(source.id)
  switch (operation) {
    case 'create':
      // The answer never came; the one that was to be is in error, or was never known.
      return expect(capsule.status).toBe('stopped')
    case 'keep':
    case 'move':
      expect(names.includes(operation)).toBe(isDone)
      break
    case 'overwrite': {
      const { body } = await server.api.call('listVersions', { params: { name: 'old' } })
      expect(body).toHaveLength(isDone ? 2 : 1)
      break
    }
    case 'delete':
      return expect(capsule.status).toBe('stopped')
    case 'pause':
    case 'resume':
      expect(capsule.status).toBe((operation === 'pause') === isDone ? 'paused' : 'running')
      if (capsule.status === 'paused') await capsule.resume()
      break
    case 'fork':
  }
  if (isDone && (operation === 'move' || operation === 'overwrite')) return expect(capsule.status).toBe('stopped')
  expect(capsule.status).toBe('running')
  await expectCounts(capsule)
}

/** What is there is what the store tells, and nothing else. */
async function expectNothingElse(): Promise<void> {
  const running = (await server.client.capsules.list()).filter(({ status }) => status === 'running')
  const ids = running.map(({ id }) => id).sort()
  await expect
    .poll(() => server.found(), { timeout: 5_000 })
    .toMatchObject({ capsules: ids, groups: ids, processes: ids.length, elsewhere: 0, staging: [] })
}

test.each(Object.entries(rounds))('killed %s: it is found, or it never was', async (_, round) => {
  const sources = await prepare()
  const before = await countOf(bystander)
  await killAt(round, sources)
  await server.start()
  bystander = await server.client.capsules.connect(bystander.id)
  await expectCounts(bystander, before)
  await Promise.all(operations.map((name) => expectLeft(name, sources[name], round[name].leaves === 'all')))
  await expectNothingElse()

  // Whatever else runs is whole, and every template starts.
  const templates = await server.client.templates.list({ type: 'snapshot' })
  const started = templates.map(({ name }) => server.client.capsules.create({ template: name }))
  await Promise.all(started)
  const others = (await server.client.capsules.list()).filter(({ id }) => id !== bystander.id)
  await Promise.all(others.filter(({ status }) => status === 'running').map((one) => expectCounts(one)))
  for (const { name } of templates) await server.client.templates.delete(name)
  await Promise.all(others.map((one) => one.destroy()))
  await expectNothingElse()
  expect((await server.found()).snapshots).toEqual([])
})

test('in the end nothing is left', async () => {
  await bystander.destroy()
  await server.end('SIGTERM')
  const nothing = { capsules: [], snapshots: [], staging: [], processes: 0, elsewhere: 0, groups: [] }
  expect([await server.found(), await namespacesOf(dataDir)]).toEqual([nothing, []])
})
