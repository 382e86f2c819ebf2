import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createOverlay } from './qcow2.js'

const GiB = 1024 ** 3

describe('an empty overlay', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'qcow2-'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  test.each([512, GiB, 8 * GiB, 600 * GiB, 8192 * GiB])('of %i bytes passes qemu-img check', async (size) => {
    const path = join(dir, 'overlay.qcow2')
    await createOverlay(path, size)
    const info = JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' })) as object
    expect(info).toMatchObject({ format: 'qcow2', 'virtual-size': size })
    expect(info).not.toHaveProperty('backing-filename')
    const check = JSON.parse(execFileSync('qemu-img', ['check', '--output=json', path], { encoding: 'utf8' })) as object
    expect(check).toMatchObject({ 'check-errors': 0 })
    expect(check).not.toHaveProperty('leaks')
    expect(check).not.toHaveProperty('corruptions')
  })

  test('never overwrites what is there', async () => {
    const path = join(dir, 'overlay.qcow2')
    await createOverlay(path, GiB)
    await expect(createOverlay(path, GiB)).rejects.toMatchObject({ code: 'EEXIST' })
  })
})
