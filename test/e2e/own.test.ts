/** What is a capsule's own, end to end: variables that no template has, what its start renewed, what it may reach. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, WrennValidationError, type Capsule } from 'wrenn'
import { startFake, type FakeRunning } from '../support/wrenn.js'

const SECRET = 'hush-5f0c2a9d'
const envs = { TOKEN: SECRET, PLACE: 'capsule' }

let wrenn: FakeRunning
let client: Wrenn
beforeAll(async () => {
  wrenn = await startFake()
  client = new Wrenn({ baseUrl: wrenn.url, apiKey: wrenn.key })
})
afterAll(() => wrenn.end())

const env = async (capsule: Capsule, more = {}) => (await capsule.commands.run({ cmd: 'env' }, more)).stdout

/** Which files below the data directory hold a text. */
async function filesWith(text: string): Promise<string[]> {
  const all = await readdir(wrenn.dataDir, { recursive: true, withFileTypes: true })
  const files = all.filter((one) => one.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const found = await Promise.all(files.map(async (file) => ((await readFile(file)).includes(text) ? [file] : [])))
  return found.flat()
}

test('every program of a capsule has its variables, whichever way it is started', async () => {
  const capsule = await client.capsules.create({ envs })
  expect(await env(capsule)).toContain(`TOKEN=${SECRET}\nPLACE=capsule\n`)
  expect(await env(capsule, { envs: { PLACE: 'call' } })).toContain('PLACE=call')
  const background = await capsule.commands.start({ cmd: 'env' })
  let printed = ''
  for await (const event of background.output())
    if (event.type === 'stdout') printed += Buffer.from(event.data).toString()
  expect(printed).toContain(SECRET)
  const pty = await capsule.pty({ cmd: 'env' })
  expect(await pty.exitCode).toBe(0)
  let shown = ''
  for await (const bytes of pty) shown += Buffer.from(bytes).toString()
  expect(shown).toContain(SECRET)
  await capsule.destroy()
})

test('they are there after a pause and a restart, go to forks, and leave no trace in templates or on the disk', async () => {
  const capsule = await client.capsules.create({ envs })
  expect(await env(capsule)).toContain(SECRET)
  await capsule.createSnapshot({ name: 'trained', keepSource: true })
  const [fork] = await capsule.fork()
  await capsule.pause()
  expect(await filesWith(SECRET)).toEqual([])
  expect((await filesWith(capsule.id)).length).toBeGreaterThan(0)
  await wrenn.restart()
  client = new Wrenn({ baseUrl: wrenn.url, apiKey: wrenn.key })
  expect(await env(await client.capsules.resume(capsule.id))).toContain(SECRET)
  expect(await env(await client.capsules.connect(fork!.id))).toContain(SECRET)
  const [bare] = await client.capsules.fork(capsule.id, 1, { envs: {} })
  const started = await client.capsules.create({ template: 'trained', envs: { PLACE: 'anew' } })
  for (const other of [bare!, started]) expect(await env(other)).not.toContain('TOKEN')
  expect(await env(started)).toContain('PLACE=anew')
})

test('what a program that runs was given is in a template all the same: it is in its memory', async () => {
  const capsule = await client.capsules.create({ envs: { TOKEN: 'held-5f0c2a9d' } })
  await capsule.commands.start('sleep infinity')
  await capsule.createSnapshot({ name: 'holding' })
  expect((await filesWith('held-5f0c2a9d')).map((file) => file.includes('snapshots'))).toContain(true)
})

test('what a start renewed is confirmed before the answer, for forks and resumes too', async () => {
  const capsule = await client.capsules.create()
  const { renewal } = capsule.info
  expect(renewal!.renewed).toEqual(expect.arrayContaining(['random', 'clock', 'hostname']))
  const [fork] = await capsule.fork()
  await capsule.pause()
  await capsule.resume()
  for (const one of [fork!, capsule]) {
    const { at, renewed } = one.info.renewal!
    expect(renewed).toEqual(renewal!.renewed)
    expect(Date.parse(at)).toBeGreaterThanOrEqual(Date.parse(renewal!.at))
  }
  await capsule.refresh()
  expect(capsule.info.renewal).toBeDefined()
})

test('a capsule that is to reach nothing starts anywhere, and the network is shown where there is one', async () => {
  const { isThere } = (await wrenn.host.facts()).network
  const closed = { internet: false, allow: [], deny: [] }
  const capsule = await client.capsules.create({ network: closed })
  expect(capsule.info.network).toEqual(isThere ? closed : undefined)
  await capsule.setNetwork({ internet: false, deny: ['203.0.113.0/24'] })
  expect(capsule.info.network?.deny).toEqual(isThere ? ['203.0.113.0/24'] : undefined)
  const opened = capsule.setNetwork({}).then(() => 'opened')
  if (isThere) expect(await opened).toBe('opened')
  else await expect(opened).rejects.toBeInstanceOf(WrennValidationError)
})
