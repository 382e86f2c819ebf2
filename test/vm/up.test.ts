/** `wrenn up` as a user runs it: a process that may be killed at any time. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Wrenn } from 'wrenn'
import { certificate, renewed } from '../../packages/server/src/testing/certificate.js'
import { agent, freshDataDir, processesIn, removeDataDir } from '../support/vm.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))
let dataDir: string
let server: Up | undefined
beforeAll(async () => {
  dataDir = await freshDataDir()
})
afterAll(async () => {
  // In order: what it has made on the machine goes with it.
  if (server?.child.exitCode === null && server.child.kill('SIGTERM')) await once(server.child, 'close')
  for (const pid of await processesIn(dataDir)) process.kill(pid, 'SIGKILL')
  await removeDataDir(dataDir)
})

interface Up {
  child: ChildProcess
  url: string
  said: string
}

/** Starts the server and waits until it says where it serves. */
async function up(env: Record<string, string> = {}): Promise<Up> {
  const settings = {
    WRENN_DATA_DIR: dataDir,
    WRENN_LISTEN: '127.0.0.1:0',
    WRENN_AGENT: agent,
    WRENN_TEMPLATES: 'minimal,base-python',
    ...env,
  }
  const child = spawn(process.execPath, [main, 'up'], {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  let url: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    said += `${line}\n`
    url ??= /serves at (https?:\/\/\S+)/.exec(line)?.[1]
    if (line.startsWith('Ctrl-C')) break
  }
  if (!url) throw new Error(`it did not start:\n${said}`)
  child.stdout.resume()
  return (server = { child, url, said })
}

async function wrenn(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const key = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim()
  const trusted = server!.url.startsWith('https') ? { NODE_EXTRA_CA_CERTS: join(dataDir, 'cert.pem') } : {}
  const env = { PATH: process.env['PATH'], WRENN_BASE_URL: `${server!.url}/api`, WRENN_API_KEY: key, ...trusted }
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: out.trim(), err: err.trim() }
}

test('the first start makes a key and keeps it for its owner alone; what it says to type works', async () => {
  const { url, said } = await up()
  const key = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim()
  expect(said).toContain(key)
  expect((await stat(join(dataDir, 'api-key'))).mode & 0o777).toBe(0o600)
  const line = said.split('\n').find((one) => one.trim().startsWith('curl'))!
  const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'ignore'] })
  let out = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  await once(child, 'close')
  expect(JSON.parse(out)).toMatchObject({ status: 'running', template: 'base-python' })
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'ok' })
})

test('a second server is kept off the data directory', async () => {
  const child = spawn(process.execPath, [main, 'up'], {
    env: { PATH: process.env['PATH'], WRENN_DATA_DIR: dataDir, WRENN_LISTEN: '127.0.0.1:0', WRENN_AGENT: agent },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const [code] = (await once(child, 'close')) as [number]
  expect([code, said]).toEqual([1, expect.stringContaining('Another Wrenn server')])
})

test('bad settings stop the start with every problem named', async () => {
  const child = spawn(process.execPath, [main, 'up'], {
    env: { PATH: process.env['PATH'], WRENN_DATA_DIR: 'here', WRENN_LISTEN: 'x', WRENN_PORT: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(1)
  for (const name of ['WRENN_DATA_DIR', 'WRENN_LISTEN', 'WRENN_PORT']) expect(said).toContain(name)
})

test('the CLI does the main job, passes output and exit codes on, and says what to do about errors', async () => {
  const id = (await wrenn('capsule', 'create', '-t', 'minimal', '--label', 'a=b')).out
  expect(await wrenn('exec', id, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
    code: 7,
    out: 'out',
    err: 'err',
  })
  expect((await wrenn('cp', main, `${id}:/root/main.js`)).code).toBe(0)
  expect((await wrenn('exec', id, 'wc', '-c', '/root/main.js')).out).toBe(`${(await stat(main)).size} /root/main.js`)
  expect((await wrenn('exec', '-d', '--tag', 'w', id, 'sleep', '100')).out).toMatch(/^\d+ {2}w$/)
  expect((await wrenn('ps', id)).out).toContain('sleep 100')
  expect((await wrenn('snapshot', 'create', id, '--name', 'cli')).out).toMatch(/^cli {2}\(version 1/)
  expect((await wrenn('snapshot', 'list')).out).toContain('1 × 512 MiB')
  const [first] = JSON.parse((await wrenn('snapshot', 'list', '--json')).out) as { name: string }[]
  expect(first!.name).toBe('cli')
  expect((await wrenn('capsule', 'show', id, '--json')).out).toContain('"stopped"')
  const again = (await wrenn('capsule', 'create', '-t', 'cli')).out
  expect((await wrenn('kill', again, 'w')).code).toBe(0)
  expect((await wrenn('capsule', 'delete', again)).code).toBe(0)
  const failed = await wrenn('exec', again, 'true')
  expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('invalid_state')])
  expect((await wrenn('no-such-command')).code).toBe(2)
  expect((await wrenn('snapshot', 'delete', 'cli')).code).toBe(0)
})

test('a server that is killed in the middle of it all finds its capsules again, running', async () => {
  const key = (await readFile(join(dataDir, 'api-key'), 'utf8')).trim()
  const client = () => new Wrenn({ baseUrl: `${server!.url}/api`, apiKey: key })
  const before = await client().capsules.create()
  await before.commands.start('i=0; while true; do i=$((i+1)); echo $i > /root/count; sleep 0.05; done')
  // A capture is under way when it happens.
  const busy = await client().capsules.create()
  await busy.files.write('/root/kept', 'yes')
  void busy.createSnapshot({ name: 'interrupted' }).catch(() => {})
  server!.child.kill('SIGKILL')
  await once(server!.child, 'close')

  await up()
  const found = (await client().capsules.list()).map(({ id }) => id)
  expect(found).toContain(before.id)
  const after = await client().capsules.connect(before.id)
  const count = async () => Number((await after.commands.run('cat /root/count')).stdout)
  const first = await count()
  await expect.poll(count).toBeGreaterThan(first)
  // Either the capture was complete or it left no trace; the content is in one of the two.
  const isComplete = (await client().templates.list({ type: 'snapshot' })).some(({ name }) => name === 'interrupted')
  expect(found.includes(busy.id)).toBe(!isComplete)
  const kept = isComplete
    ? await client().capsules.create({ template: 'interrupted' })
    : await client().capsules.connect(busy.id)
  expect(await kept.files.read('/root/kept')).toBe('yes')
})

test('Ctrl-C ends the server and leaves the capsules', async () => {
  const running = (await processesIn(dataDir)).length
  expect(running).toBeGreaterThan(0)
  server!.child.kill('SIGINT')
  expect(await once(server!.child, 'close')).toEqual([0, null])
  expect(await processesIn(dataDir)).toHaveLength(running)
})

test('with a certificate it serves over TLS alone, and reads that again at SIGHUP', async () => {
  const files = { WRENN_TLS_CERT: join(dataDir, 'cert.pem'), WRENN_TLS_KEY: join(dataDir, 'key.pem') }
  const put = ({ cert, key }: typeof certificate) =>
    Promise.all([writeFile(files.WRENN_TLS_CERT, cert), writeFile(files.WRENN_TLS_KEY, key)])
  await put(certificate)
  const { child, url } = await up(files)
  expect(url).toMatch(/^https:/)
  expect((await wrenn('capsule', 'list', '--json')).out).toContain('"running"')
  await expect(fetch(url.replace('https:', 'http:') + '/health')).rejects.toThrow()
  await put(renewed)
  const lines = createInterface({ input: child.stdout! })
  child.kill('SIGHUP')
  expect(await once(lines, 'line')).toEqual(['The certificate was read again.'])
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca: renewed.cert })
  await once(socket, 'secureConnect')
  expect(socket.getPeerCertificate().subject.CN).toBe('renewed')
  socket.destroy()
  expect((await wrenn('capsule', 'list')).code).toBe(0)
})
