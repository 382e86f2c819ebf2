/** The engine on real virtual machines: what is captured, shared, folded and gone back to is what was written. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, type Capsule } from 'wrenn'
import { Qmp } from '../../packages/host/dist/vmm/qemu/qmp.js'
import { Api } from '../support/api.js'
import { runSequence } from '../support/sequence.js'
import { processesIn, startVm, type VmRunning } from '../support/vm.js'

const MB = 1_000_000
let wrenn: VmRunning
let api: Api
let client: Wrenn
const connect = () => (client = new Wrenn({ baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key }))
beforeAll(async () => {
  // Whatever has more than five disk layers or 24 MB of changed memory is made anew.
  wrenn = await startVm(undefined, { foldBytes: 24 * MB, mostLayers: 5 })
  api = new Api(wrenn, '/api')
  connect()
})
afterAll(() => wrenn.end())

const run = async (capsule: Capsule, command: string) =>
  (await capsule.commands.run(command, { timeoutSec: 60 })).stdout.trim()
const dropCaches = 'sync; echo 3 > /proc/sys/vm/drop_caches'
const runDir = (capsule: Capsule) => join(wrenn.dataDir, 'capsules', capsule.id)
const folder = () => join(wrenn.dataDir, 'snapshots')

/** The directory of the snapshot that `make` takes. */
async function madeBy(make: () => Promise<unknown>): Promise<string> {
  const before = await readdir(folder())
  await make()
  const [made] = (await readdir(folder())).filter((name) => !before.includes(name))
  return join(folder(), made!)
}

interface Parts {
  manifest: { memory: { difference: string | null }; disk: string[]; files: { name: string; own: boolean }[] }
}
const partsOf = async (dir: string) =>
  (JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')) as Parts).manifest

test('what was wiped is in no file that the next snapshot brought, and nowhere in its clone', async () => {
  // The pattern is written by a program that is gone when the second snapshot is taken, around the page cache on the
  // disk's side. Differences are compressed later, if at all, so that their bytes can be searched.
  const mark = 'wrenn-pattern-7f3a91c4e5'
  const source = await client.capsules.create({ template: 'base-python' })
  const fill = `python3 -c "import sys; sys.stdout.write((''.join(['wrenn-pattern-', '7f3a91c4e5|']) * 90000)[:2000000])"`
  await run(source, `${fill} > /dev/shm/secret; cat /dev/shm/secret > /root/secret; ${dropCaches}`)
  const first = await madeBy(() => source.createSnapshot({ name: 'written', keepSource: true }))
  const zeroes = 'head -c 2000000 /dev/zero | dd conv=notrunc bs=1M status=none'
  await run(source, `${zeroes} of=/dev/shm/secret; ${zeroes} of=/root/secret; ${dropCaches}`)
  const second = await madeBy(() => source.createSnapshot({ name: 'wiped' }))

  const has = async (dir: string, name: string) => (await readFile(join(dir, name))).includes(mark)
  const own = (await partsOf(second)).files.filter((file) => file.own).map(({ name }) => name)
  expect(own.length).toBeGreaterThanOrEqual(3)
  for (const name of own) expect([name, await has(second, name)]).toEqual([name, false])
  const firsts = (await partsOf(first)).files.filter((file) => file.own).map(({ name }) => name)
  const found = await Promise.all(firsts.map((name) => has(first, name)))
  expect(found.filter(Boolean).length, 'the search finds what is there').toBeGreaterThanOrEqual(2)

  await using clone = await client.capsules.create({ template: 'wiped' })
  const sums = await run(clone, 'cat /dev/shm/secret /root/secret | tr -d "\\\\0" | wc -c; stat -c %s /root/secret')
  expect(sums).toBe('0\n2000000')
  await using earlier = await client.capsules.create({ template: 'written' })
  expect(await run(earlier, `cmp /dev/shm/secret /root/secret && grep -c ${mark} /root/secret`)).toBe('1')
})

test('a live snapshot cuts neither a command that streams nor an upload', async () => {
  await using capsule = await client.capsules.create()
  const params = { id: capsule.id }
  const script = 'i=0; while [ $i -lt 120 ]; do echo $i; i=$((i+1)); sleep 0.03; done'
  const streaming = api.call('exec', {
    params,
    json: { cmd: 'sh', args: ['-c', script] },
    headers: { accept: 'application/x-ndjson' },
  })
  const content = crypto.getRandomValues(new Uint8Array(60_000))
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      if (++sent > 5 && areTaken) controller.close()
      else controller.enqueue(content)
    },
  })
  let [sent, areTaken] = [0, false]
  const uploading = capsule.files.write('/root/upload', body)
  await expect.poll(() => sent).toBeGreaterThan(5)
  for (const name of ['live-1', 'live-2']) await capsule.createSnapshot({ name, keepSource: true })
  areTaken = true
  const events = (await streaming).bytes.toString().trim().split('\n')
  const parsed = events.map((line) => JSON.parse(line) as { type: string; data?: string; exit_code?: number })
  const out = parsed.map(({ type, data }) => (type === 'stdout' ? data : '')).join('')
  expect(out).toBe(Array.from({ length: 120 }, (_, i) => `${i}\n`).join(''))
  expect(parsed.at(-1)).toMatchObject({ type: 'exit', exit_code: 0 })
  await uploading
  expect(
    Buffer.from(await capsule.files.readBytes('/root/upload')).equals(Buffer.concat(Array(sent - 1).fill(content))),
  ).toBe(true)
})

test('a capture that QEMU did not answer leaves its source running, and what is captured later can be started', async () => {
  const source = await client.capsules.create()
  await run(source, 'echo kept > /root/text')
  const { run: command } = Qmp.prototype
  Qmp.prototype.run = async function (execute, ...rest) {
    const answer = await command.call(this, execute, ...rest)
    if (execute === 'stop') throw new Error('QEMU did not answer in time')
    return answer
  }
  try {
    await expect(source.createSnapshot({ name: 'failed', keepSource: true })).rejects.toMatchObject({ status: 503 })
  } finally {
    Qmp.prototype.run = command
  }
  expect(await run(source, 'cat /root/text')).toBe('kept')
  const [clone] = await source.fork(1)
  expect(await run(clone!, 'cat /root/text')).toBe('kept')
  await Promise.all([source.destroy(), clone!.destroy()])
})

test('forks are machines of their own, and leave no template', async () => {
  await using source = await client.capsules.create()
  await run(source, 'echo here > /dev/shm/note; echo there > /root/note')
  const before = await readdir(folder())
  const forks = await source.fork(3)
  for (const own of ['hostname', 'cat /etc/machine-id', 'head -c 16 /dev/urandom | od -An -tx1']) {
    const seen = await Promise.all([source, ...forks].map((one) => run(one, own)))
    expect(new Set(seen).size, own).toBe(4)
  }
  for (const one of [source, ...forks]) expect(await run(one, 'cat /dev/shm/note /root/note')).toBe('here\nthere')
  expect(await readdir(folder())).toEqual(before)
  await Promise.all(forks.map((fork) => fork.destroy()))
})

test('ten rounds of pause and resume with a writer running lose, double and mix nothing', async () => {
  await using capsule = await client.capsules.create()
  const loop = 'i=0; while :; do i=$((i+1)); echo $i >> /root/lines; echo $i >> /dev/shm/lines; sleep 0.01; done'
  await capsule.commands.start({ cmd: 'sh', args: ['-c', loop] }, { tag: 'writer' })
  for (let round = 0; round < 10; round++) {
    await capsule.pause()
    expect(await processesIn(runDir(capsule))).toEqual([])
    await capsule.resume()
    const before = Number(await run(capsule, 'wc -l < /dev/shm/lines'))
    await expect.poll(async () => Number(await run(capsule, 'wc -l < /dev/shm/lines'))).toBeGreaterThan(before)
  }
  await capsule.commands.kill('writer')
  await run(capsule, dropCaches)
  for (const path of ['/root/lines', '/dev/shm/lines'])
    expect(await run(capsule, `n=$(wc -l < ${path}); seq $n | cmp - ${path} && [ $n -gt 20 ] && echo same`)).toBe(
      'same',
    )
})

test('versions are kept, started, gone back to and told', async () => {
  await using source = await client.capsules.create()
  for (const text of ['one', 'two', 'three']) {
    await run(source, `echo ${text} > /root/text; echo ${text} > /dev/shm/text`)
    await source.createSnapshot({ name: 'versions', keepSource: true, overwrite: true })
  }
  const texts = async (template: string) => {
    await using capsule = await client.capsules.create({ template })
    return await run(capsule, `${dropCaches}; cat /root/text /dev/shm/text`)
  }
  expect(await texts('versions@1')).toBe('one\none')
  expect(await texts('versions')).toBe('three\nthree')
  await api.call('rollbackSnapshot', { params: { name: 'versions' }, json: {} })
  expect(await texts('versions')).toBe('two\ntwo')
  const { body } = await api.call('listVersions', { params: { name: 'versions' } })
  expect(body).toMatchObject([
    { version: 3, current: false },
    { version: 2, current: true },
    { version: 1, current: false },
  ])
})

test('what was folded and flattened gives the same memory and disk', async () => {
  const source = await client.capsules.create()
  await run(source, 'head -c 30000000 /dev/urandom > /dev/shm/blob; head -c 3000000 /dev/urandom > /root/gone')
  const sum = `${dropCaches}; cd /root; sha256sum /dev/shm/blob all gone of-*; tr -d '\\0' < gone | wc -c`
  const [dirs, sums]: [string[], string[]] = [[], []]
  for (let i = 0; i < 6; i++) {
    const zero = i === 3 ? 'head -c 3000000 /dev/zero > /root/gone; rm -f /root/of-1; fstrim / 2>/dev/null;' : ''
    await run(source, `head -c 700000 /dev/urandom > /root/of-${i}; cat /root/of-${i} >> /root/all; ${zero} sync`)
    sums.push(await run(source, sum))
    dirs.push(await madeBy(() => source.createSnapshot({ name: `generation-${i}`, keepSource: true })))
  }
  await wrenn.host.upkept()
  // The first with six layers. Those after it share what the source's own disk has become meanwhile.
  const { memory, disk, files } = await partsOf(dirs[3]!)
  expect([memory.difference, disk.length, files.length]).toEqual([null, 2, 4])
  for (const i of [3, 3, 5]) {
    await using clone = await client.capsules.create({ template: `generation-${i}` })
    expect(await run(clone, sum)).toBe(sums[i])
    await run(clone, 'echo more > /root/more')
  }
  expect(await run(source, sum)).toBe(sums[5])
  // The disk of the source that ran on was made shorter too, under it.
  const record = JSON.parse(await readFile(join(runDir(source), 'capsule.json'), 'utf8')) as {
    origin: Parts['manifest']
  }
  expect(record.origin.disk.length).toBeLessThanOrEqual(5)
  await source.createSnapshot({ name: 'generation-6', keepSource: true })
  await using latest = await client.capsules.create({ template: 'generation-6' })
  expect(await run(latest, sum)).toBe(sums[5])
  const verified = await api.call('verifySnapshot', { params: { name: 'generation-5' }, json: {} })
  expect(verified.body.ok).toBe(true)
  await source.destroy()
})

test('a capsule that is idle is paused, and resumes after a restart of the server', async () => {
  const asked = await client.capsules.create({ timeoutSec: 2 })
  await run(asked, 'echo kept > /root/note; echo kept > /dev/shm/note')
  await expect.poll(async () => (await asked.refresh()).status, { timeout: 20_000 }).toBe('paused')
  expect(await processesIn(runDir(asked))).toEqual([])
  await wrenn.restart()
  connect()
  await using again = await client.capsules.connect(asked.id)
  expect(again.status).toBe('paused')
  await again.resume()
  expect(await run(again, 'cat /root/note /dev/shm/note')).toBe('kept\nkept')
})

test('random sequences end where their model does', async () => {
  for (const { name } of (await api.call('listSnapshots', { query: '?type=snapshot' })).body as { name: string }[])
    await api.call('deleteSnapshot', { params: { name } })
  for (const capsule of await client.capsules.list()) await capsule.destroy()
  const seeds = process.env['WRENN_SEED'] ? [Number(process.env['WRENN_SEED'])] : [3, 11]
  for (const seed of seeds)
    await runSequence(wrenn, {
      seed,
      length: 20,
      limits: { capsules: 3, names: 2, bytes: 300_000, files: 3 },
      memoryMb: 512,
      beforeReading: async (within, id) => {
        const json = { cmd: 'sh', args: ['-c', dropCaches] }
        expect((await within.call('exec', { params: { id }, json })).body.exit_code).toBe(0)
      },
      assertNothingLeft: async () => expect(await processesIn(wrenn.dataDir)).toEqual([]),
    })
})
