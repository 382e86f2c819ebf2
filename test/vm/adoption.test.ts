/** A server that is killed with SIGKILL, and the one that comes after it: what was in capsules goes on. On real QEMU. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn, type Capsule, type CommandEvent, type Pty } from 'wrenn'
import { agent, freshDataDir, processesIn, removeDataDir } from '../support/vm.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))
let dataDir: string
let server: ChildProcess | undefined
/** A process that has nothing to do with any of it. */
let foreign: ChildProcess | undefined
beforeAll(async () => {
  dataDir = await freshDataDir()
})
afterAll(async () => {
  foreign?.kill('SIGKILL')
  // It takes away the networks that it made ahead.
  if (server?.exitCode === null && server.kill('SIGINT')) await once(server, 'close')
  for (const pid of await processesIn(dataDir)) process.kill(pid, 'SIGKILL')
  await removeDataDir(dataDir)
})

/** Starts a server and waits until it serves. */
async function up(): Promise<Wrenn> {
  const env = {
    ...{ PATH: process.env['PATH'], WRENN_DATA_DIR: dataDir, WRENN_LISTEN: '127.0.0.1:0' },
    ...{ WRENN_AGENT: agent, WRENN_TEMPLATES: 'minimal' },
  }
  server = spawn(process.execPath, [main, 'up'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let url: string | undefined
  for await (const line of createInterface({ input: server.stdout! })) {
    url ??= /serves at (http:\/\/\S+)/.exec(line)?.[1]
    if (line.startsWith('Ctrl-C')) break
  }
  server.stdout!.resume()
  const apiKey = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim()
  return new Wrenn({ baseUrl: `${url!}/api`, apiKey })
}

async function reads(events: AsyncIterable<CommandEvent>, wanted: string): Promise<number> {
  let said = ''
  for await (const event of events) {
    if (event.type !== 'stdout') continue
    said += Buffer.from(event.data).toString()
    if (said.includes(wanted)) return event.offset
  }
  throw new Error(`it ended after ${JSON.stringify(said)}`)
}

async function shows(pty: Pty, wanted: string): Promise<void> {
  let shown = ''
  for await (const bytes of pty) {
    shown += Buffer.from(bytes).toString()
    if (shown.includes(wanted)) return
  }
  throw new Error(`it ended after ${JSON.stringify(shown)}`)
}

const closed = { internet: false, allow: ['198.51.100.0/24'], deny: [] }
const capsuleOf = (dir: string) => join(dataDir, 'capsules', dir)

/** Gives the record of a capsule the pid of another process, as if it had got it after the capsule's own had ended. */
async function reusePid({ id }: Capsule): Promise<void> {
  const file = join(capsuleOf(id), 'capsule.json')
  const record = JSON.parse(await readFile(file, 'utf8')) as { vm: { pid: number } }
  foreign = spawn('sleep', ['1000'], { stdio: 'ignore' })
  process.kill(record.vm.pid, 'SIGKILL')
  await writeFile(file, JSON.stringify({ ...record, vm: { ...record.vm, pid: foreign.pid } }))
}

test('programs, terminals, limits and networks outlive it; what died meanwhile is missing; nobody else is touched', async () => {
  let client = await up()
  const [worked, paused, died, reused] = await Promise.all([1, 2, 3, 4].map(() => client.capsules.create()))
  const hasNetwork = worked!.info.network !== undefined
  if (hasNetwork) await worked!.setNetwork(closed)
  const cat = await worked!.commands.start('cat', { tag: 'cat', stdin: true })
  await cat.write('one ')
  const offset = await reads(cat.output(), 'one ')
  const pty = await worked!.pty({ tag: 'term' })
  await pty.write("stty -echo; n=kept; echo 'rea''dy'\n")
  await shows(pty, 'ready')
  await paused!.commands.run('echo paused > /dev/shm/kept')
  await paused!.pause()
  const idle = await client.capsules.create({ timeoutSec: 8 })

  server!.kill('SIGKILL')
  await once(server!, 'close')
  for (const pid of await processesIn(capsuleOf(died!.id))) process.kill(pid, 'SIGKILL')
  await reusePid(reused!)
  client = await up()

  const again = await client.capsules.connect(worked!.id)
  expect(again.info.status).toBe('running')
  if (hasNetwork) expect(again.info.network).toEqual(closed)
  await again.commands.write('cat', 'two')
  await reads(again.commands.attach('cat', { from: offset }), 'two')
  const term = await again.ptyConnect('term')
  await term.write('echo "$n since"\n')
  await shows(term, 'kept since')
  await again.commands.kill(cat.pid)
  await expect.poll(async () => (await again.commands.list()).map(({ tag }) => tag)).toEqual(['term'])

  for (const { id } of [died!, reused!]) {
    const { info } = await client.capsules.connect(id)
    expect(info).toMatchObject({ status: 'missing', reason: expect.stringContaining('its process ended') as string })
    await expect(access(capsuleOf(id))).rejects.toThrow('ENOENT')
  }
  expect([foreign!.exitCode, foreign!.signalCode]).toEqual([null, null])

  const slept = await client.capsules.connect(paused!.id)
  expect(slept.info.status).toBe('paused')
  await slept.resume()
  expect((await slept.commands.run('cat /dev/shm/kept')).stdout).toBe('paused\n')
  const status = async () => (await client.capsules.connect(idle.id)).info.status
  await expect.poll(status, { timeout: 15_000 }).toBe('paused')
  for (const capsule of await client.capsules.list()) await capsule.destroy()
  expect(await processesIn(dataDir)).toEqual([])
})
