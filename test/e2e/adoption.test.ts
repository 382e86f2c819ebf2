/** What a server finds again when it is started anew, and what it says of what it does not: on the fake vmm. */
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, type Capsule, type Pty } from 'wrenn'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
let client: Wrenn
/** What was there before the restart: one that is worked in, one that is paused, and three that do not come through it. */
let worked: Capsule
let ids: Record<'paused' | 'died' | 'unreadable' | 'foreign', string>
let offset: number
const recordOf = (id: string) => join(wrenn.dataDir, 'capsules', id, 'capsule.json')
const clientOf = () => new Wrenn({ baseUrl: wrenn.url, apiKey: wrenn.key })

beforeAll(async () => {
  wrenn = await startFake()
  client = clientOf()
  worked = await client.capsules.create({ timeoutSec: 600 })
  const names = ['paused', 'died', 'unreadable', 'foreign'] as const
  const made = await Promise.all(names.map((name) => client.capsules.create({ metadata: { is: name } })))
  ids = Object.fromEntries(names.map((name, i) => [name, made[i]!.id])) as typeof ids
  await made[0]!.files.write('/root/kept', 'kept')
  await made[0]!.pause()
  const cat = await worked.commands.start({ cmd: 'cat' }, { tag: 'cat', stdin: true })
  await cat.write('one ')
  offset = await firstOf(cat.output())
  const pty = await worked.pty({ cmd: 'sh', tag: 'term' })
  await pty.write('echo before\n')
  await shows(pty, 'before\r\n')

  await wrenn.restart(async () => {
    wrenn.world.machineOf(ids.died)!.end('it was killed')
    await writeFile(recordOf(ids.unreadable), '{')
    const record = JSON.parse(await readFile(recordOf(ids.foreign), 'utf8')) as { vm: { pid: number } }
    await writeFile(recordOf(ids.foreign), JSON.stringify({ ...record, vm: { ...record.vm, pid: process.pid } }))
  })
  client = clientOf()
  worked = await client.capsules.connect(worked.id)
})
afterAll(() => wrenn.end())

/** The offset behind the first output. */
async function firstOf(events: AsyncIterable<{ type: string; offset?: number }>): Promise<number> {
  for await (const event of events) if (event.type === 'stdout') return event.offset!
  throw new Error('it said nothing')
}

async function shows(pty: Pty, wanted: string): Promise<void> {
  let shown = ''
  for await (const bytes of pty) {
    shown += Buffer.from(bytes).toString()
    if (shown.includes(wanted)) return
  }
  throw new Error(`it ended after ${JSON.stringify(shown)}`)
}

test('a program in the background is read on from where its reader was, is written to by its tag, and is killed by its pid', async () => {
  const [cat] = (await worked.commands.list()).filter(({ tag }) => tag === 'cat')
  await worked.commands.write('cat', 'two ')
  await worked.commands.write(cat!.pid, 'three')
  let said = ''
  for await (const event of worked.commands.attach('cat', { from: offset })) {
    if (event.type === 'stdout') said += Buffer.from(event.data).toString()
    if (said.length >= 'two three'.length) break
  }
  expect(said).toBe('two three')
  await worked.commands.kill(cat!.pid)
  await expect.poll(async () => (await worked.commands.list()).map(({ tag }) => tag)).toEqual(['term'])
})

test('a terminal is taken up by its tag, shows what it showed, and takes what is typed', async () => {
  const pty = await worked.ptyConnect('term')
  await shows(pty, 'before\r\n')
  await pty.write('echo after\n')
  await shows(pty, 'after\r\n')
  await pty.kill()
})

test('what was set for a capsule holds', async () => {
  expect(worked.info).toMatchObject({ status: 'running', timeout_sec: 600 })
})

test('a paused one is paused, and goes on with what it had', async () => {
  const paused = await client.capsules.connect(ids.paused)
  expect(paused.status).toBe('paused')
  await paused.resume()
  expect(await paused.files.read('/root/kept')).toBe('kept')
})

test.each([
  ['whose process died', 'died', 'its process ended'],
  ['whose record cannot be read', 'unreadable', 'its record'],
  ['whose pid is that of another process now', 'foreign', 'its process ended'],
] as const)('one %s is missing, says why, and leaves nothing behind', async (_, which, reason) => {
  const { info } = await client.capsules.connect(ids[which])
  expect(info).toMatchObject({ status: 'missing', reason: expect.stringContaining(reason) as string })
  await expect(access(recordOf(ids[which]))).rejects.toThrow('ENOENT')
  const capsule = await client.capsules.connect(ids[which])
  await expect(capsule.commands.run('true')).rejects.toMatchObject({ code: 'invalid_state' })
  await capsule.destroy()
})
