/** The built command against a data directory with secrets in every place: useful things come out, no secret does. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomHex } from '@wrenn/wire'
import Database from 'libsql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Api } from '../support/api.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))
let parent: string
/** A copy of the server's data, which no process has open. */
let copy: string
let wrenn: FakeRunning
let intruder: ChildProcess
const secrets: Record<string, string> = {}

/** Something that has to stay secret. */
function secret(what: string): string {
  return (secrets[what] = `s3${randomHex(9)}`)
}

interface Bundle {
  file: string
  said: string
  /** By their names, without the folder's. */
  files: Record<string, string>
  all: Buffer
}

const settings = () => ({
  PATH: process.env['PATH'],
  TMPDIR: process.env['TMPDIR'],
  WRENN_LISTEN: '127.0.0.1:0',
  WRENN_ACCELERATOR: 'tcg',
  WRENN_AGENT: main,
  WRENN_API_KEY: `wrn_${'ab'.repeat(16)}`,
  WRENN_METRICS_TOKEN: secrets['a token for the metrics']!,
})

async function bundle(name: string, ...words: string[]): Promise<Bundle> {
  const out = join(parent, `${name}.tar.gz`)
  const said = await new Promise<string>((resolve, reject) => {
    const args = [main, 'support-bundle', '--out', out, ...words]
    execFile(process.execPath, args, { env: settings(), cwd: parent }, (error, said, err) =>
      error ? reject(new Error(err, { cause: error })) : resolve(said),
    )
  })
  const dir = join(parent, name)
  await mkdir(dir)
  expect(spawnSync('tar', ['-xzf', out, '--strip-components=1', '-C', dir]).status).toBe(0)
  const found = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
  const paths = found.map((one) => join(one.parentPath, one.name))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  const files = Object.fromEntries(paths.map((path, at) => [path.slice(dir.length + 1), texts[at]!]))
  return { file: out, said, files, all: Buffer.from(`${paths.join('\n')}\n${texts.join('\n')}\n${said}`) }
}

/** Which secrets are in there, in any form. */
function leaks(all: Buffer, without: readonly string[] = []): string[] {
  return Object.entries({ ...secrets, 'the first key': wrenn.key, 'the key of the settings': settings().WRENN_API_KEY })
    .filter(([what]) => !without.includes(what))
    .filter(([, value]) => {
      const bytes = Buffer.from(value)
      // Of a longer text that was encoded, at each of three offsets.
      const base64 = [0, 1, 2].map((before) =>
        Buffer.concat([Buffer.alloc(before), bytes])
          .toString('base64')
          .slice(before && before + 1, -4),
      )
      const forms = [value, bytes.toString('hex'), encodeURIComponent(value), ...base64].map((one) => Buffer.from(one))
      return [...forms, Buffer.from(value, 'utf16le')].some((form) => all.includes(form))
    })
    .map(([what]) => what)
}

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'wrenn-bundle-'))
  wrenn = await startFake()
  secret('a token for the metrics')
  const api = new Api(wrenn)
  await api.call('createKey', { json: { name: secret('the name of a key') } })
  const body = {
    envs: { PASSWORD: secret('a variable of a capsule') },
    metadata: { note: secret('a label') },
  }
  const { id } = (await api.call('createCapsule', { json: body })).body as { id: string }
  const exec = { cmd: 'sleep', args: ['100'], envs: { A: secret('a variable of a command') }, background: true }
  await api.call('exec', { params: { id }, json: { ...exec, tag: secret('a tag') } })
  const taken = (await api.call('createCapsule', { json: {} })).body as { id: string }
  await api.call('createSnapshot', { json: { sandbox_id: taken.id, name: secret('the name of a template') } })
  const lost = (await api.call('createCapsule', { json: {} })).body as { id: string }
  await wrenn.stop()
  const { dataDir } = wrenn
  const db = new Database(join(dataDir, 'wrenn.db'))
  const reason = `"${secret('what a reason quotes')}" and ${secrets['the name of a template']} wrn_${'cd'.repeat(16)}`
  db.prepare("update capsules set status = 'error', reason = ? where id = ?").run(`QEMU ended: ${reason}`, lost.id)
  db.close()
  const files = {
    'secret.key': Buffer.from(secret('the sealing key').padEnd(32, 'x')),
    'api-key': wrenn.key,
    [secret('the name of a file')]: secret('the content of a file'),
    [`staging/${secret('the name of what is half-made')}`]: '',
    [`capsules/${id}/vmm.log`]: [
      `qemu-system-x86_64: cannot open "${secret('what QEMU quotes')}"`,
      `qemu-system-x86_64: password=${secret('an assignment in a log')} is wrong`,
      `${secret('a line of a log that is not ours')}`,
    ].join('\n'),
    'format.json': `{"format":1,"version":"${secret('a version')}"}`,
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(dataDir, name), content)
  const log = [
    { level: 50, time: 1e12, msg: 'a start failed', capsule: lost.id, cmd: secret('a field of a log') },
    { level: 50, time: 1e12, err: { type: 'Error', code: 'EIO', message: secret('the message of an error') } },
  ]
  await writeFile(
    join(parent, 'log'),
    [...log.map((line) => JSON.stringify(line)), `key: ${secret('a line that is no JSON')}`].join('\n'),
  )
  copy = join(parent, 'copy')
  await cp(dataDir, copy, { recursive: true, filter: async (path) => !(await stat(path)).isSocket() })
  intruder = spawn('sleep', ['600'], { cwd: join(copy, 'capsules'), argv0: secret('an argument') })
  await once(intruder, 'spawn')
})
afterAll(async () => {
  intruder.kill('SIGKILL')
  await wrenn.end().catch(() => {})
  await rm(wrenn.dataDir, { recursive: true, force: true })
  await rm(parent, { recursive: true, force: true })
})

test('nothing secret is in it, and what helps is', async () => {
  const { file, said, files, all } = await bundle('plain', '--data-dir', copy, '--log', join(parent, 'log'))
  expect(leaks(all)).toEqual([])
  expect(all.includes(`wrn_${'cd'.repeat(4)}`)).toBe(false)
  const facts = await stat(file)
  expect(facts.mode & 0o777).toBe(0o600)
  expect(facts.size).toBeLessThan(1024 * 1024)
  expect(said).toContain(`tar tzf ${file}`)
  expect(JSON.parse(files['versions.json']!)).toMatchObject({ wrenn: '0.1.0', node: process.versions.node })
  expect(files['settings.txt']).toMatch(/WRENN_METRICS_TOKEN is set\n[^]*WRENN_ACCELERATOR is tcg\n/)
  expect(JSON.parse(files['doctor.json']!)).toMatchObject({ findings: expect.any(Array) })
  expect(files['doctor.txt']).toContain('W045')
  expect(JSON.parse(files['database.json']!)).toMatchObject({
    state: 'sound',
    capsules: { running: 1, stopped: 1, error: 1 },
    keys: 2,
    form: expect.stringMatching(/^\d{3}-/),
  })
  expect(JSON.parse(files['capsules.json']!)).toEqual([
    expect.objectContaining({ status: 'error', reason: expect.stringContaining('QEMU ended') }),
  ])
  expect(files['tree.txt']).toMatch(/secret\.key {2}-0\d{3} \d+:\d+ 32 B/)
  expect(files['tree.txt']).toContain('(another name,')
  expect(files['records.json']).toContain('"created_at"')
  expect(files['processes.json']).toContain(`"pid": ${intruder.pid}`)
  expect(JSON.parse(files['network.json']!)).toMatchObject({ owner: expect.stringMatching(/^[0-9a-f]{8}$/) })
  expect(Object.entries(files).find(([name]) => /^logs\/cl-/.test(name))?.[1]).toContain('cannot open')
  expect(files['logs/server.txt']).toMatch(/a start failed[^]*"EIO"/)
  expect(files['INDEX.txt']).toMatch(/server: \/health: [^]*1 lines of logs\/server\.txt/)
})

test('of a running server it has what that says of itself', async () => {
  await wrenn.restart()
  const { files, all } = await bundle('serving', '--data-dir', wrenn.dataDir, '--url', wrenn.url)
  expect(leaks(all)).toEqual([])
  expect(JSON.parse(files['health.json']!)).toMatchObject({ status: 'ok' })
  expect(files['metrics.txt']).toContain('wrenn_capsules{status="running"} 1')
  expect(JSON.parse(files['database.json']!)).toMatchObject({ state: 'in use' })
})

test('a data directory that is missing or damaged gives what there is, with the reasons', async () => {
  const missing = await bundle('missing', '--data-dir', join(parent, 'nowhere'))
  expect(missing.files['INDEX.txt']).toContain('database: counts: there is none')
  expect(await readdir(parent)).not.toContain('nowhere')
  const broken = join(parent, 'broken')
  await mkdir(join(broken, 'images'), { recursive: true })
  for (const name of ['wrenn.db', 'format.json', 'capsules'])
    await writeFile(join(broken, name), 'nonsense '.repeat(99))
  const { files } = await bundle('damaged', '--data-dir', broken)
  expect(JSON.parse(files['database.json']!)).toMatchObject({ state: 'damaged' })
  expect(files['INDEX.txt']).toMatch(/records: format 1: it is no JSON/)
  expect(files['machine.json']).toContain('MemTotal')
})
