import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { foldMemory } from './apply.js'
import type { Copied } from './copy.js'
import { packMemory } from './pack.js'
import { PAGE } from './pages.js'
import { digestBehind, giveUp, newProgress, reach, type Progress } from './progress.js'
import { writeDifference } from './write.js'
import { startWorkers } from '../worker/pool.js'

const PAGES = 2048
let dir: string
let at: (name: string) => string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wrenn-memory-'))
  at = (name) => join(dir, name)
})
afterEach(() => rmSync(dir, { recursive: true }))

/** A base with random content in some of its pages. */
function makeBase(): Buffer {
  const base = Buffer.alloc(PAGES * PAGE)
  for (let page = 0; page < PAGES; page += 3) randomBytes(PAGE).copy(base, page * PAGE)
  writeFileSync(at('base'), base)
  return base
}

/** What a copy of a process would be whose memory changed from the base by these runs. */
function copied(memory: Buffer, runs: [number, number][]): Copied {
  const data = Buffer.concat(runs.map(([page, count]) => memory.subarray(page * PAGE, (page + count) * PAGE)))
  const buffer = new SharedArrayBuffer(data.length)
  new Uint8Array(buffer).set(data)
  return { runs: Uint32Array.from(runs.flat()), buffer }
}

/** A memory that differs from the base in every way: new content, wiped pages, touched but equal ones. */
function changed(base: Buffer): { memory: Buffer; copies: Copied[] } {
  const memory = Buffer.from(base)
  randomBytes(300 * PAGE).copy(memory, 10 * PAGE)
  memory.fill(0, 400 * PAGE, 900 * PAGE)
  Buffer.alloc(40 * PAGE, 'compressible ').copy(memory, 1000 * PAGE)
  return {
    memory,
    copies: [
      copied(memory, [
        [10, 300],
        [350, 10],
        [400, 500],
      ]),
      copied(memory, [
        [1000, 40],
        [2047, 1],
      ]),
    ],
  }
}

const write = (from: Copied[], into = 'difference', progress?: Progress) =>
  writeDifference({ from, base: at('base'), into: at(into), lasting: true, progress })
const fold = async (difference = 'difference') => {
  rmSync(at('folded'), { force: true })
  await foldMemory({ base: at('base'), difference: at(difference), into: at('folded') })
  return readFileSync(at('folded'))
}

test('base and difference together are the memory, wiped pages included; what is as before costs nothing', async () => {
  const { memory, copies } = changed(makeBase())
  const progress = newProgress()
  const { changedBytes } = await write(copies, 'difference', progress)
  expect((await fold()).equals(memory)).toBe(true)
  expect(digestBehind({ path: at('difference'), progress })).toBe(
    createHash('sha256')
      .update(readFileSync(at('difference')))
      .digest('hex'),
  )
  expect(changedBytes).toBeLessThan(850 * PAGE)
  expect(statSync(at('difference')).size).toBeLessThan(345 * PAGE)
})

test('a memory that did not change has an empty difference', async () => {
  const base = makeBase()
  expect((await write([copied(base, [[0, 500]])])).changedBytes).toBe(0)
  expect((await fold()).equals(base)).toBe(true)
})

test('packed it is smaller and means the same', async () => {
  const { memory, copies } = changed(makeBase())
  await write(copies)
  const packed = await packMemory({ difference: at('difference'), into: at('packed'), lasting: true })
  expect(packed.changedBytes).toBe((await write(copies, 'again')).changedBytes)
  expect(statSync(at('packed')).size).toBeLessThan(statSync(at('difference')).size - 30 * PAGE)
  expect((await fold('packed')).equals(memory)).toBe(true)
})

describe('a digest behind the writer', () => {
  test('is of all that is written, however far the writer is when it begins', async () => {
    const progress = newProgress()
    const workers = startWorkers()
    try {
      const digesting = workers.run('digestBehind', { path: at('behind'), progress })
      const data = randomBytes(3_000_000)
      for (let done = 0; done < data.length; done += 250_000) {
        appendFileSync(at('behind'), data.subarray(done, done + 250_000))
        reach(progress, done + 250_000, done + 250_000 === data.length)
        await new Promise(setImmediate)
      }
      expect(await digesting).toBe(createHash('sha256').update(data).digest('hex'))
    } finally {
      await workers.close()
    }
  })

  test('ends when the writer has given up', () => {
    const progress = newProgress()
    reach(progress, 5)
    giveUp(progress)
    expect(() => digestBehind({ path: at('none'), progress })).toThrow('is not whole')
  })
})

describe('a damaged file', () => {
  test.each(['difference', 'packed'])('is never taken for whole, wherever the damage is (%s)', async (name) => {
    const { memory, copies } = changed(makeBase())
    await write(copies)
    await packMemory({ difference: at('difference'), into: at('packed'), lasting: false })
    const whole = readFileSync(at(name))
    const places = [0, 1, whole.length >> 1, ...Array.from({ length: 120 }, (_, i) => whole.length - 1 - i)]
    for (const place of places) {
      const bad = Buffer.from(whole)
      bad[place]! ^= 0x10
      writeFileSync(at('bad'), bad)
      await expect(fold('bad'), `byte ${place} of ${whole.length}`).rejects.toMatchObject({ name: 'DamagedError' })
    }
    writeFileSync(at('bad'), whole)
    expect((await fold('bad')).equals(memory)).toBe(true)
  })

  test('that is cut is refused', async () => {
    const { copies } = changed(makeBase())
    await write(copies)
    for (const size of [0, 39, 40, PAGE, statSync(at('difference')).size - 1]) {
      writeFileSync(at('bad'), readFileSync(at('difference')))
      truncateSync(at('bad'), size)
      await expect(fold('bad')).rejects.toMatchObject({ name: 'DamagedError' })
    }
  })
})
