import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tscKhz } from './tsc.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'wrenn-tsc-'))
})
afterEach(() => rm(root, { recursive: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}
const cpuinfo = (...mhz: string[]) =>
  put('proc/cpuinfo', mhz.map((rate, i) => `processor\t: ${i}\ncpu MHz\t\t: ${rate}\nflags\t\t: tsc\n`).join('\n'))

test('is what cpuinfo says where frequencies never change', async () => {
  await cpuinfo('2596.138', '2596.138')
  expect(await tscKhz(root)).toBe(2_596_138)
})

test('is not known where they do', async () => {
  await cpuinfo('800.000', '800.000')
  await put('sys/devices/system/cpu/cpu0/cpufreq/scaling_driver', 'acpi-cpufreq\n')
  expect(await tscKhz(root)).toBeUndefined()
})

test('is not known where processors differ, or nothing is told', async () => {
  expect(await tscKhz(root)).toBeUndefined()
  await cpuinfo('800.000', '1200.000')
  expect(await tscKhz(root)).toBeUndefined()
})
