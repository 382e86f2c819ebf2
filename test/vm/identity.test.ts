/** What is a capsule's own after each start, on real virtual machines, and what programs inside do about it. */
import type { Renewal } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../support/api.js'
import { Machines, type Machine } from '../support/machines.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
let machines: Machines
let source: Machine
let template: { snapshotId: string }

/** Makes keys at once, of chance; an RSA key is never found, and with a file named "broken" none is made. */
const KEYGEN = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -t) type=$2 ;; -f) file=$2 ;; esac
  shift
done
[ ! -e /root/broken ] || { echo no luck; exit 9; }
[ "$type" != rsa ] || sleep 100
head -c 16 /dev/urandom | od -An -tx1 > "$file"
echo "$type of $(cat "$file")" > "$file.pub"
`
/** Notes when it is told to read its configuration. */
const SSHD = `#!/bin/sh
trap 'echo told >> /run/told' HUP
while :; do sleep 1000 & wait $!; done
`
const inEtc = (name: string) => `/etc/wrenn/${name}`

beforeAll(async () => {
  wrenn = await startVm()
  machines = new Machines(wrenn.host)
  source = await machines.start()
  await place(source, '/usr/local/bin/ssh-keygen', KEYGEN)
  await place(source, '/usr/local/bin/sshd', SSHD)
  await place(source, inEtc('before-snapshot.d/10-mark'), '#!/bin/sh\necho "marks"; echo marked > /root/mark\n')
  await place(source, inEtc('after-restore.d/10-says'), '#!/bin/sh\necho "$WRENN_HOOK in $WRENN_CAPSULE_ID"\n')
  await place(source, inEtc('after-restore.d/20-fails'), '#!/bin/sh\nexit 7\n')
  await source.run(
    'mkdir -p /etc/ssh; cd /etc/ssh; for t in ecdsa ed25519; do echo old > ssh_host_${t}_key; echo old > ssh_host_${t}_key.pub; done; ' +
      'chmod 600 *_key; chmod 640 ssh_host_ecdsa_key; chown 7:8 ssh_host_ecdsa_key',
  )
  await source.guest.spawn({ cmd: 'sshd', args: [] }, AbortSignal.timeout(60_000))
  const taken = await machines.capture(source, 'template')
  expect(taken.hooks).toMatchObject([{ name: '10-mark', exit_code: 0, timed_out: false, output: 'marks\n' }])
  template = taken
})
afterAll(async () => {
  await machines.end()
  await wrenn.end()
})

async function place(machine: Machine, path: string, text: string): Promise<void> {
  const content = (async function* () {
    yield Buffer.from(text)
  })()
  await machine.guest.writeFile(path, content, AbortSignal.timeout(60_000))
  await machine.run(`chmod 755 ${path}`)
}

/** What a machine says of itself, and whether its clock is right. */
async function lookAt(machine: Machine) {
  const asked = Date.now()
  const time = Number(await machine.run('date +%s%N')) / 1e6
  // Whenever in between it was read. How near it is at the start tells the renewal: an emulated processor that is busy
  // loses time from then on, until the clock is looked at.
  expect(time).toBeGreaterThan(asked - 1000)
  expect(time).toBeLessThan(Date.now() + 1000)
  const own = [
    'head -c 16 /dev/urandom | od -An -tx1',
    'cat /etc/machine-id',
    'cat /proc/sys/kernel/random/boot_id',
    'hostname; cat /etc/hostname',
    'cat /etc/ssh/ssh_host_ed25519_key',
    'cat /etc/ssh/ssh_host_ecdsa_key',
    'cat /run/wrenn/capsule-id; echo $WRENN_CAPSULE_ID',
  ]
  const said = await machine.run(own.map((line) => `${line}; echo --`).join('\n'))
  const [random, machineId, bootId, hostname, ed25519, ecdsa, id] = said.split('--').map((part) => part.trim())
  return { random, machineId, bootId, hostname, ed25519, ecdsa, id }
}

function expectRenewed({ renewed, clock_offset_ms, hooks }: Renewal, more: string[] = []): void {
  expect(renewed).toEqual(['random', 'clock', 'hostname', 'machine_id', 'boot_id', 'hosts', 'identity', ...more])
  expect(Math.abs(clock_offset_ms)).toBeLessThanOrEqual(100)
  expect(hooks.map(({ name, exit_code }) => [name, exit_code])).toEqual([
    ['10-says', 0],
    ['20-fails', 7],
  ])
}

test('ten starts of a template are ten machines', async () => {
  const clones: Machine[] = []
  for (let i = 0; i < 10; i++) clones.push(await machines.start(template))
  const seen = []
  for (const clone of clones) {
    expectRenewed(clone.started.renewal, ['ssh_host_keys'])
    expect(clone.started.renewal.hooks[0]!.output).toBe(`10-says in ${clone.id}\n`)
    seen.push(await lookAt(clone))
  }
  for (const part of Object.keys(seen[0]!) as (keyof (typeof seen)[0])[])
    expect(new Set(seen.map((one) => one[part])).size, part).toBe(10)
  expect(seen[0]).toMatchObject({
    id: `${clones[0]!.id}\n${clones[0]!.id}`,
    hostname: `${clones[0]!.id}\n${clones[0]!.id}`,
    machineId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    bootId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    ed25519: expect.stringMatching(/^[0-9a-f ]+$/) as string,
  })
  const one = clones[0]!
  expect(await one.run('cat /run/wrenn/template; echo $WRENN_TEMPLATE; cat /root/mark')).toBe(
    'of-the-test\nof-the-test\nmarked',
  )
  expect(await one.run('getent hosts $(hostname)')).toContain(one.id)
  expect(await one.run('cd /etc/ssh; stat -c "%a %u:%g" ssh_host_ed25519_key ssh_host_ecdsa_key; ls -A')).toBe(
    '600 0:0\n640 7:8\nssh_host_ecdsa_key\nssh_host_ecdsa_key.pub\nssh_host_ed25519_key\nssh_host_ed25519_key.pub',
  )
  expect(await one.run('cat /etc/ssh/ssh_host_ecdsa_key.pub')).toContain('ecdsa of')
  await expect.poll(() => one.run('cat /run/told 2>/dev/null || true')).toBe('told')
  await Promise.all(clones.map((clone) => machines.destroy(clone)))
})

test('a capsule that goes on after a pause is the same machine at another time', async () => {
  const before = await machines.start(template)
  const one = await lookAt(before)
  const pause = await machines.capture(before, 'pause', false)
  await machines.destroy(before)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const after = await machines.start(pause, before.id)
  expectRenewed(after.started.renewal)
  const { machineId, hostname, ed25519, ecdsa, id } = one
  const other = await lookAt(after)
  expect(other).toMatchObject({ machineId, hostname, ed25519, ecdsa, id })
  expect([other.bootId, other.random]).not.toContain(one.bootId)
  expect(other.random).not.toBe(one.random)
  await machines.destroy(after)
})

test('a hook that fails before a snapshot fails it, and the source runs on', async () => {
  await place(source, inEtc('before-snapshot.d/20-fails'), '#!/bin/sh\necho the database is busy >&2; exit 3\n')
  await source.run('rm /root/mark')
  for (const keepSource of [true, false]) {
    const message = 'The hook /etc/wrenn/before-snapshot.d/20-fails failed (3): the database is busy'
    await expect(machines.capture(source, 'template', keepSource)).rejects.toMatchObject({
      code: 'agent_error',
      message,
    })
  }
  expect(await source.run('cat /root/mark; rm /etc/wrenn/before-snapshot.d/20-fails')).toBe('marked')
})

test('an old host key never stays: one that is not made in time is gone, and without a new one there is no start', async () => {
  await source.run(
    'cd /etc/ssh; for t in rsa dsa; do echo old > ssh_host_${t}_key; echo old > ssh_host_${t}_key.pub; done',
  )
  const slow = await machines.capture(source, 'template')
  const one = await machines.start(slow)
  expectRenewed(one.started.renewal, ['ssh_host_keys'])
  expect(await one.run('cd /etc/ssh; ls *_key; grep -l old * || true')).toBe('ssh_host_ecdsa_key\nssh_host_ed25519_key')
  await machines.destroy(one)

  await source.run('touch /root/broken')
  const broken = await machines.capture(source, 'template')
  const message = expect.stringContaining('ssh-keygen ended with 9. no luck') as string
  await expect(machines.start(broken)).rejects.toMatchObject({ code: 'agent_error', message })
})

test('a clock that went wrong is put right, also of a capsule that was taken up again', async () => {
  const api = new Api(wrenn, '/api')
  const { id } = (await api.call('createCapsule', { json: {} })).body as { id: string }
  const exec = async (line: string) => {
    const { body } = await api.call('exec', { params: { id }, json: { cmd: 'sh', args: ['-c', line] } })
    return Number((body as { stdout: string }).stdout)
  }
  const off = async () => (await exec('date +%s%N')) / 1e6 - Date.now()
  await exec('date -s "5 seconds ago" > /dev/null; echo 0')
  expect(await off()).toBeLessThan(-4000)
  await machines.end()
  await wrenn.restart()
  machines = new Machines(wrenn.host)
  await expect.poll(async () => Math.abs(await off()), { timeout: 30_000 }).toBeLessThan(250)
})
