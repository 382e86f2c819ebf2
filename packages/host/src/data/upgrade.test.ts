import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FORMAT as MANIFEST_FORMAT } from '../snapshots/manifest.js'
import { capsuleRecordSchema } from '../capsules/record.js'
import { checkFormat, DATA_FORMAT, readFormat } from './format.js'
import { steps } from './steps.js'
import { upgradeData } from './upgrade.js'

let dataDir: string
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'wrenn-format-'))))
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const file = () => join(dataDir, 'format.json')
const at = (name: string) => join(dataDir, name)
const version = '9.9.9'

test('an empty directory begins with the newest format', async () => {
  expect(await checkFormat(dataDir)).toBe(DATA_FORMAT)
  expect(await readdir(dataDir)).toEqual([])
  await upgradeData({ dataDir, from: DATA_FORMAT, version })
  expect(JSON.parse(await readFile(file(), 'utf8'))).toEqual({ format: DATA_FORMAT, version })
})

test('a directory that is not there yet counts as empty', async () => {
  expect(await checkFormat(at('nowhere'))).toBe(DATA_FORMAT)
})

test('a directory of before there was a format is taken over as the first', async () => {
  await writeFile(at('wrenn.db'), '')
  expect(await checkFormat(dataDir, 3)).toBe(1)
})

test('a directory of a newer version is refused, and says which', async () => {
  await writeFile(file(), JSON.stringify({ format: DATA_FORMAT + 1, version: '7.1.0', more: 'to come' }))
  const problem: unknown = await checkFormat(dataDir).catch((error: unknown) => error)
  expect(problem).toMatchObject({ code: 'conflict', hint: expect.stringContaining('7.1.0') })
  expect(String(problem)).toContain('made by a newer version of Wrenn (7.1.0, format 2)')
})

test.each(['', '{', '[]', '{"format":0,"version":""}', '{"format":"1","version":"1"}'])(
  'a file that cannot be understood is no licence to go on: %s',
  async (text) => {
    await writeFile(file(), text)
    await expect(checkFormat(dataDir)).rejects.toMatchObject({ code: 'conflict' })
  },
)

test('steps are done in their order, and a crash in one goes on with that one', async () => {
  const done: string[] = []
  let isBroken = true
  const made = {
    1: async () => void done.push('first'),
    2: async () => {
      done.push('second')
      if (isBroken) throw new Error('the disk is full')
    },
  }
  await writeFile(at('wrenn.db'), '')
  const upgrade = { dataDir, from: 1, version, newest: 3, steps: made }
  await expect(upgradeData(upgrade)).rejects.toMatchObject({ code: 'host_unavailable' })
  expect(await readFormat(dataDir)).toEqual({ format: 2, version })
  isBroken = false
  await upgradeData({ ...upgrade, from: await checkFormat(dataDir, 3) })
  await upgradeData({ ...upgrade, from: await checkFormat(dataDir, 3) })
  expect(done).toEqual(['first', 'second', 'second'])
  expect(await readFormat(dataDir)).toEqual({ format: 3, version })
})

test('there is a step from every format to the next, and formats inside rise only together with the one around them', () => {
  expect(Object.keys(steps).map(Number)).toEqual(Array.from({ length: DATA_FORMAT - 1 }, (_, i) => i + 1))
  const inside = { data: DATA_FORMAT, manifest: MANIFEST_FORMAT, record: capsuleRecordSchema.shape.format.value }
  expect(inside).toEqual({ data: 1, manifest: 2, record: 2 })
})
