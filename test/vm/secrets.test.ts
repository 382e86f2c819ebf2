/** What a command was given in its environment is in no snapshot that is taken after its end. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesWith, Machines } from '../support/machines.js'
import { startVm, type VmRunning } from '../support/vm.js'

let wrenn: VmRunning
let machines: Machines
beforeAll(async () => {
  wrenn = await startVm()
  machines = new Machines(wrenn.host)
})
afterAll(async () => {
  await machines.end()
  await wrenn.end()
})

/** As it may stand somewhere: both halves, since a page may end in the middle; as UTF-16; in base64 at each alignment. */
function formsOf(secret: string): Buffer[] {
  const base64 = ['', 'x', 'xx'].map((before) =>
    Buffer.from(before + secret)
      .toString('base64')
      .slice(4, 40),
  )
  return [secret.slice(0, 16), secret.slice(16), ...base64]
    .map((text) => Buffer.from(text))
    .concat(Buffer.from(secret, 'utf16le'))
}

const searched = (snapshotId: string, forms: Buffer[]) => filesWith(join(wrenn.dataDir, 'snapshots', snapshotId), forms)

test('the environment of a command that has ended is in no later snapshot', async () => {
  const machine = await machines.start()
  const secret = randomBytes(16).toString('hex')
  const forms = formsOf(secret)
  const envs = { SECRET: secret }

  // The search finds what is there.
  const signal = AbortSignal.timeout(300_000)
  const { tag } = await machine.guest.spawn({ cmd: 'sleep', args: ['1000'], envs }, signal)
  const during = await machines.capture(machine, 'template')
  expect((await searched(during.snapshotId, forms)).length).toBeGreaterThan(0)
  await machine.guest.kill(tag, 'SIGKILL', signal)

  // Of different lengths, so that it stands at different places of whatever it goes through.
  for (const length of [0, 0, 700, 3000, 3900, 20_000, 60_000]) {
    await machine.run('printenv SECRET > /dev/null; test -n "$SECRET"', { PAD: 'x'.repeat(length), SECRET: secret })
  }
  await machine.run('true')
  const live = await machines.capture(machine, 'template')
  expect(await searched(live.snapshotId, forms)).toEqual([])
  const layers = await filesWith(join(wrenn.dataDir, 'capsules', machine.id), forms)
  expect(layers).toEqual([])

  await machine.run('cat /proc/self/environ > /dev/null', envs)
  const paused = await machines.capture(machine, 'pause', false)
  expect(await searched(paused.snapshotId, forms)).toEqual([])
})
