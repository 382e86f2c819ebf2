/** The built command against data directories: none, a healthy one, and one with faults planted in it. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStore } from '@wrenn/server'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { reportSchema, type Report } from '../../packages/cli/src/doctor/shape.js'
import { unpackFixture } from '../support/fixture.js'

const main = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url))
let dataDir: string
beforeEach(async () => {
  dataDir = await unpackFixture(1)
  await chmod(dataDir, 0o700)
  // It was made by earlier code: what is looked at is one that this code has brought up to date.
  await (await openStore(join(dataDir, 'wrenn.db'))).close()
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

async function doctor(where: string, ...words: string[]): Promise<Report & { code: number }> {
  const env = {
    PATH: process.env['PATH'],
    WRENN_DATA_DIR: where,
    WRENN_ACCELERATOR: 'tcg',
    WRENN_LISTEN: '127.0.0.1:0',
    WRENN_AGENT: main,
  }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [main, 'doctor', '--json', ...words], { env }, (error, out, err) => {
      if (err) return reject(new Error(err))
      resolve({ ...reportSchema.strict().parse(JSON.parse(out)), code: Number(error?.code ?? 0) })
    })
  })
}

const find = ({ findings }: Report, number: string) => findings.find((one) => one.number === number)!
const statuses = (report: Report, ...numbers: string[]) => numbers.map((number) => find(report, number).status)

test('before the first start there is nothing to complain of, and nothing is made', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'wrenn-doctor-e2e-'))
  try {
    const report = await doctor(join(parent, 'data'))
    expect(statuses(report, 'W030', 'W033', 'W041', 'W042', 'W045')).toEqual(['ok', 'ok', 'ok', 'skipped', 'ok'])
    expect(report.serving).toBe(false)
    expect(await readdir(parent)).toEqual([])
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
})

test('a healthy directory is found healthy, every byte of it', async () => {
  const report = await doctor(dataDir)
  expect(statuses(report, 'W041', 'W042', 'W043', 'W044', 'W045', 'W046')).toEqual(Array(6).fill('ok'))
  expect(find(report, 'W044').text).toBe('4 checked, every byte')
  const quick = await doctor(dataDir, '--quick')
  expect(statuses(quick, 'W044')).toEqual(['skipped'])
})

test('planted faults are found by name; what is safe is put right, and nothing else is touched', async () => {
  const [id] = await readdir(join(dataDir, 'snapshots'))
  const files = await readdir(join(dataDir, 'snapshots', id!))
  const difference = files.find((name) => name.endsWith('.difference'))!
  const flipped = await open(join(dataDir, 'snapshots', id!, difference), 'r+')
  const { size } = await flipped.stat()
  const byte = Buffer.alloc(1)
  await flipped.read(byte, 0, 1, size - 40)
  await flipped.write(Buffer.from([byte[0]! ^ 1]), 0, 1, size - 40)
  await flipped.close()
  await mkdir(join(dataDir, 'capsules/cl-dead'))
  await mkdir(join(dataDir, 'staging/half'))
  await mkdir(join(dataDir, 'snapshots/snap-nobody'))
  await writeFile(join(dataDir, 'accelerator.json'), '{"boot_id":"another"}')
  await chmod(join(dataDir, 'secret.key'), 0o644)

  const report = await doctor(dataDir)
  expect(report.code).toBe(2)
  expect(find(report, 'W043')).toMatchObject({ status: 'error', items: [expect.stringContaining('secret.key')] })
  const damaged = find(report, 'W044')
  expect(damaged.items!.join('\n')).toContain(`${id}: the content of its file ${difference}`)
  expect(find(report, 'W045').items).toEqual(['staging/half', 'capsules/cl-dead', 'snapshots/snap-nobody'])

  const before = await readdir(join(dataDir, 'snapshots'))
  const fixed = await doctor(dataDir, '--fix')
  expect(fixed.fixed).toHaveLength(4)
  expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect(find(fixed, 'W045').items).toEqual(['snapshots/snap-nobody'])
  expect(await readdir(join(dataDir, 'snapshots'))).toEqual(before)
  expect(statuses(fixed, 'W043', 'W044')).toEqual(['ok', 'error'])
  expect((await doctor(dataDir, '--fix', '--quick')).fixed).toEqual([])
})

test('while a server runs, what only it can know is left out, and nothing is removed', async () => {
  await mkdir(join(dataDir, 'staging/under-way'))
  const store = await openStore(join(dataDir, 'wrenn.db'))
  try {
    const report = await doctor(dataDir, '--fix')
    expect(report.serving).toBe(true)
    expect(statuses(report, 'W040', 'W042', 'W044', 'W045')).toEqual(['ok', 'skipped', 'ok', 'skipped'])
    expect(await readdir(join(dataDir, 'staging'))).toEqual(['under-way'])
  } finally {
    await store.close()
  }
})

test('a database of an earlier version is told to be one, and is not brought up to date', async () => {
  const older = await unpackFixture(1)
  try {
    for (const _ of [1, 2]) expect(find(await doctor(older, '--quick'), 'W042').status).toBe('warning')
  } finally {
    await rm(older, { recursive: true, force: true })
  }
})
