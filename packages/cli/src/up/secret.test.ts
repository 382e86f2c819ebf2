import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { secretOf } from './secret.js'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wrenn-secret-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('the secret is made once, for the eyes of its owner alone', async () => {
  const secret = await secretOf(dir)
  expect(secret).toHaveLength(32)
  expect(await readdir(dir)).toEqual(['secret.key'])
  expect((await stat(join(dir, 'secret.key'))).mode & 0o777).toBe(0o600)
  expect(Buffer.from(await secretOf(dir)).equals(secret)).toBe(true)
})

test('no secret is like another', async () => {
  const first = Buffer.from(await secretOf(dir))
  await rm(join(dir, 'secret.key'))
  expect(first.equals(await secretOf(dir))).toBe(false)
})

test('what was left half made is made anew, and what is damaged is not replaced', async () => {
  await writeFile(join(dir, 'secret.key.new'), 'half')
  expect(await secretOf(dir)).toHaveLength(32)
  await writeFile(join(dir, 'secret.key'), 'short')
  await expect(secretOf(dir)).rejects.toThrow('5 bytes')
  expect(await readFile(join(dir, 'secret.key'), 'utf8')).toBe('short')
})

test('what cannot be read is not replaced either', async () => {
  await expect(secretOf(join(dir, 'not', 'there'))).rejects.toThrow()
  await writeFile(join(dir, 'file'), '')
  await expect(secretOf(join(dir, 'file'))).rejects.toThrow()
})
