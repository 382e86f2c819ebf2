/** The main job on real virtual machines: a running capsule becomes a template, and any number start from it. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Capsule } from 'wrenn'
import { Template, Wrenn, WrennConflictError, WrennError, WrennNotFoundError } from 'wrenn'
import { Api } from '../support/api.js'
import { processesIn, startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
let api: Api
let client: Wrenn
beforeAll(async () => {
  wrenn = await startVm()
  api = new Api(wrenn, '/api')
  client = new Wrenn({ baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key })
})
afterAll(() => wrenn.end())

const run = async (capsule: Capsule, command: string) => (await capsule.commands.run(command)).stdout.trim()

/** Counts in memory alone, and says how far it is when it is signalled. */
const counter = `
import signal, time, hashlib, os
blob = os.urandom(1 << 20)
n = 0
def tell(*_):
    open('/root/told', 'w').write(f'{n} {hashlib.sha256(blob).hexdigest()}\\n')
signal.signal(signal.SIGUSR1, tell)
open('/root/ready', 'w').close()
while True:
    n += 1
    time.sleep(0.02)
`

async function tell(capsule: Capsule, pid: number): Promise<{ n: number; blob: string }> {
  const script = `rm -f /root/told; kill -USR1 ${pid}; while [ ! -s /root/told ]; do sleep 0.02; done; cat /root/told`
  const [n = '', blob = ''] = (await run(capsule, script)).split(' ')
  return { n: Number(n), blob }
}

test('processes, memory and disk are captured in one instant, and clones go on from there as machines of their own', async () => {
  const source = await client.capsules.create({ template: 'base-python' })
  await source.files.write('/root/counter.py', counter)
  const { pid } = await source.commands.start({ cmd: 'python3', args: ['/root/counter.py'] }, { tag: 'counter' })
  await run(source, 'while [ ! -e /root/ready ]; do sleep 0.05; done')
  await run(source, 'head -c 20000000 /dev/urandom | tee /root/blob > /dev/shm/blob; sync')
  const hashes = await run(source, 'sha256sum < /root/blob; sha256sum < /dev/shm/blob')
  const before = await tell(source, pid)

  const template = await source.createSnapshot({ name: 'counting' })
  expect(template.info).toMatchObject({ type: 'snapshot', vcpus: 1, memory_mb: 512, version: 1, parent: 'base-python' })
  expect(template.sizeBytes).toBeGreaterThan(20_000_000)
  expect((await source.refresh()).status).toBe('stopped')

  const clones = await Promise.all([1, 2].map(() => client.capsules.create({ template: 'counting' })))
  for (const clone of clones) {
    expect(await run(clone, 'sha256sum < /root/blob; sha256sum < /dev/shm/blob')).toBe(hashes)
    const [first, second] = [await tell(clone, pid), await tell(clone, pid)]
    expect([first.blob, second.blob]).toEqual([before.blob, before.blob])
    expect(first.n).toBeGreaterThan(before.n)
    expect(second.n).toBeGreaterThan(first.n)
    expect((await clone.commands.list()).map(({ tag }) => tag)).toEqual(['counter'])
    expect(await run(clone, 'hostname')).toBe(clone.id)
    expect(Math.abs(Number(await run(clone, 'date +%s')) - Date.now() / 1000)).toBeLessThan(5)
  }
  for (const own of [
    'cat /etc/machine-id',
    'head -c 16 /dev/urandom | od -An -tx1',
    'cat /proc/sys/kernel/random/uuid',
  ]) {
    const seen = await Promise.all(clones.map((clone) => run(clone, own)))
    expect(new Set(seen).size, own).toBe(2)
  }
  // A clone of a clone, from a capture that leaves its source running.
  await clones[0]!.files.write('/root/generation', 'two')
  await clones[0]!.createSnapshot({ name: 'counting-2', keepSource: true })
  await clones[0]!.files.write('/root/generation', 'later')
  const grandchild = await client.capsules.create({ template: 'counting-2' })
  expect(await grandchild.files.read('/root/generation')).toBe('two')
  expect(await run(grandchild, 'sha256sum < /root/blob; sha256sum < /dev/shm/blob')).toBe(hashes)
  expect((await tell(grandchild, pid)).blob).toBe(before.blob)
  expect(await clones[0]!.files.read('/root/generation')).toBe('later')
  for (const capsule of [...clones, grandchild]) await capsule.destroy()
})

describe('names', () => {
  test('an overwrite moves the name, and what runs from the old content keeps it, files deleted or not', async () => {
    const make = async (text: string, overwrite: boolean) => {
      const capsule = await client.capsules.create()
      await capsule.files.write('/root/text', text)
      return capsule.createSnapshot({ name: 'moving', overwrite })
    }
    await make('one', false)
    const old = await client.capsules.create({ template: 'moving' })
    await expect(make('two', false)).rejects.toBeInstanceOf(WrennConflictError)
    expect((await make('two', true)).info.version).toBe(2)
    await using fresh = await client.capsules.create({ template: 'moving' })
    expect(await fresh.files.read('/root/text')).toBe('two')
    await client.templates.delete('moving')
    // Reads from the disk, not from what the guest has in memory.
    expect(await run(old, 'echo 3 > /proc/sys/vm/drop_caches; cat /root/text; git --version')).toMatch(
      /^onegit version/,
    )
    const again = await old.createSnapshot({ name: 'moving' })
    await using last = await client.capsules.create({ template: again.name })
    expect(await last.files.read('/root/text')).toBe('one')
    await again.delete()
    for (const capsule of await client.capsules.list())
      if (capsule.id !== fresh.id && capsule.id !== last.id) await capsule.destroy()
  })

  test('of the platform are reserved, and taken ones are a conflict', async () => {
    await using capsule = await client.capsules.create()
    await expect(capsule.createSnapshot({ name: 'minimal', overwrite: true })).rejects.toMatchObject({
      code: 'name_reserved',
    })
    expect((await capsule.refresh()).status).toBe('running')
    const answers = await Promise.all(
      [1, 2].map((n) => api.call('createSnapshot', { json: { sandbox_id: capsule.id, name: `race-${n}` } })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    for (const { info } of await client.templates.list({ type: 'snapshot' }))
      if (info.name.startsWith('race')) await client.templates.delete(info.name)
  })
})

describe('a capture that fails', () => {
  test('because the guest does not answer leaves it running', async () => {
    await using capsule = await client.capsules.create()
    await capsule.files.write('/root/text', 'kept')
    const [pid] = await processesIn(join(wrenn.dataDir, 'capsules', capsule.id))
    process.kill(pid!, 'SIGSTOP')
    await expect(capsule.createSnapshot({ name: 'silent' })).rejects.toMatchObject({ code: 'agent_error' })
    process.kill(pid!, 'SIGCONT')
    expect((await capsule.refresh()).status).toBe('running')
    expect(await capsule.files.read('/root/text')).toBe('kept')
    await expect(client.templates.get('silent')).rejects.toBeInstanceOf(WrennNotFoundError)
  })

  test('because QEMU died leaves no template, and the capsule in error', async () => {
    const capsule = await client.capsules.create()
    const [pid] = await processesIn(join(wrenn.dataDir, 'capsules', capsule.id))
    process.kill(pid!, 'SIGSTOP')
    const asked = capsule.createSnapshot({ name: 'dead' })
    process.kill(pid!, 'SIGKILL')
    await expect(asked).rejects.toBeInstanceOf(WrennError)
    await expect.poll(async () => (await capsule.refresh()).status).toBe('error')
    await expect(client.templates.get('dead')).rejects.toBeInstanceOf(WrennNotFoundError)
    await capsule.destroy()
    expect((await capsule.refresh()).status).toBe('stopped')
  })
})

test('QEMU never runs as root, nor do two share a user', async () => {
  await using _one = await client.capsules.create()
  await using _two = await client.capsules.create()
  const uids = await Promise.all(
    (await processesIn(wrenn.dataDir)).map(async (pid) => (await stat(`/proc/${pid}`)).uid),
  )
  expect(uids).toHaveLength(2)
  expect(uids).not.toContain(0)
  if (process.getuid?.() === 0) expect(new Set(uids).size).toBe(2)
})

test('a size that was not there before boots once and restores from then on', async () => {
  const size = { vcpus: 2, memoryMb: 256 }
  await using first = await client.capsules.create(size)
  await using second = await client.capsules.create(size)
  for (const capsule of [first, second]) {
    expect(await run(capsule, 'nproc')).toBe('2')
    expect(Number(await run(capsule, "awk '/MemTotal/ {print $2}' /proc/meminfo"))).toBeLessThan(256 * 1024)
  }
})

test('programs and files behave as the contract says', async () => {
  await using capsule = await client.capsules.create()
  const params = { id: capsule.id }
  const exec = (json: object) => api.call('exec', { params, json })
  expect((await exec({ cmd: 'printf', args: ['a\\377'] })).body).toMatchObject({
    encoding: 'base64',
    stdout: 'Yf8=',
    exit_code: 0,
  })
  expect((await exec({ cmd: 'sh', args: ['-c', 'kill -9 $$'] })).body.exit_code).toBe(-1)
  expect((await exec({ cmd: 'pwd' })).body.stdout).toBe('/root\n')
  expect((await exec({ cmd: 'sh', args: ['-c', 'echo $HOME $X'], envs: { X: 'é' }, cwd: '/tmp' })).body.stdout).toBe(
    '/root é\n',
  )
  expect((await exec({ cmd: 'no-such-program' })).status).toBe(404)
  const late = await exec({ cmd: 'sh', args: ['-c', 'sleep 60 & echo $! > /root/child; wait'], timeout_sec: 1 })
  expect([late.status, late.body.error.code]).toEqual([502, 'agent_error'])
  expect(late.body.error.message).toContain('timed out')
  expect((await exec({ cmd: 'sh', args: ['-c', 'kill -0 $(cat /root/child)'] })).body.exit_code).toBe(1)

  const content = crypto.getRandomValues(new Uint8Array(60_000)).toString().repeat(100)
  await capsule.files.write('~/deep/er/file', content)
  expect(await capsule.files.read('deep/er/file')).toBe(content)
  expect(await capsule.files.list('/root/deep', { depth: 2 })).toMatchObject([
    { name: 'er', type: 'directory', permissions: 'drwxr-xr-x', owner: 'root' },
    {
      name: 'file',
      path: '/root/deep/er/file',
      type: 'file',
      permissions: '-rw-r--r--',
      mode: 0o644,
      size: content.length,
    },
  ])
  await expect(capsule.files.makeDir('/root/deep')).rejects.toMatchObject({ code: 'conflict' })
  await capsule.files.remove('/root/deep')
  expect(await capsule.files.exists('/root/deep')).toBe(false)
})

test('ten start at once from one template', async () => {
  const source = await client.capsules.create()
  await source.files.write('/root/text', 'same')
  await source.createSnapshot({ name: 'ten' })
  const capsules = await Promise.all(Array.from({ length: 10 }, () => client.capsules.create({ template: 'ten' })))
  const texts = await Promise.all(capsules.map((capsule) => capsule.files.read('/root/text')))
  expect(texts).toEqual(Array(10).fill('same'))
  await Promise.all(capsules.map((capsule) => capsule.destroy()))
  await Template.delete('ten', { baseUrl: `${wrenn.url}/api`, apiKey: wrenn.key })
})
