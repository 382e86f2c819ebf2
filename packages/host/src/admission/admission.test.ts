import { beforeEach, expect, test } from 'vitest'
import { Admission, type Reserves } from './admission.js'
import { amountOf, thisMachine } from './machine.js'

const [MiB, GiB] = [1024 ** 2, 1024 ** 3]
const noMemory = { code: 'no_hosts_available', retryAfterSec: 10 }
const fullDisk = { code: 'insufficient_storage', retryAfterSec: 60 }

let memory: { totalBytes: number; freeBytes: number }
let disk: typeof memory
let promised: number
beforeEach(() => {
  memory = { totalBytes: 8 * GiB, freeBytes: 8 * GiB }
  disk = { totalBytes: 100 * GiB, freeBytes: 50 * GiB }
  promised = 0
})
const admission = (reserves?: Reserves) =>
  new Admission({ memory: async () => memory, disk: async () => disk }, () => promised, reserves)

test('a start fits while its expected share of memory is free beyond the reserve', async () => {
  // 5 % of 8 GiB, 48 MiB, and a tenth of 512 MiB.
  memory.freeBytes = 510 * MiB
  ;(await admission().begin(512)).end()
  memory.freeBytes = 508 * MiB
  await expect(admission().begin(512)).rejects.toMatchObject(noMemory)
})

test('starts under way count until they have ended', async () => {
  memory.freeBytes = 560 * MiB
  const one = admission()
  const first = await one.begin(512)
  await expect(one.begin(512)).rejects.toMatchObject(noMemory)
  first.end()
  ;(await one.begin(512)).end()
})

test('capsules are promised no more than so many times the memory, however little they use', async () => {
  promised = 32 * 1024 - 512
  await admission().assertStarts(1, 512)
  await expect(admission().assertStarts(2, 512)).rejects.toMatchObject(noMemory)
  await admission({ memoryOvercommit: 5 }).assertStarts(2, 512)
})

test('all of many starts have to fit', async () => {
  memory.freeBytes = 2 * GiB
  await admission().assertStarts(10, 512)
  await expect(admission().assertStarts(100, 512)).rejects.toMatchObject(noMemory)
})

test('below the reserve of the disk nothing new is begun, but what is paused goes on', async () => {
  disk.freeBytes = 4 * GiB
  await expect(admission().assertStarts(1, 512)).rejects.toMatchObject(fullDisk)
  await expect(admission().assertCapture(MiB, false)).rejects.toMatchObject(fullDisk)
  ;(await admission().begin(512)).end()
  disk.freeBytes = 10 * MiB
  await expect(admission().begin(512)).rejects.toMatchObject(fullDisk)
})

test.each([
  ['5 %', 100 * GiB, 5 * GiB],
  ['at least 1 GiB', 10 * GiB, GiB],
  ['a quarter of a small disk', 2 * GiB, GiB / 2],
])('the reserve of the disk is %s', async (_, totalBytes, reserve) => {
  disk.totalBytes = totalBytes
  expect((await admission().room()).diskReserveBytes).toBe(reserve)
})

test('a capture has to fit on the disk, and in memory when its source runs on', async () => {
  disk.freeBytes = 5.5 * GiB
  await admission().assertCapture(GiB, true)
  await expect(admission().assertCapture(6 * GiB, false)).rejects.toMatchObject(fullDisk)
  memory.freeBytes = GiB
  await expect(admission().assertCapture(GiB, true)).rejects.toMatchObject(noMemory)
  await admission().assertCapture(GiB, false)
})

test('reserves may be said in MiB', async () => {
  const room = await admission({ memoryReserveMb: 7, diskReserveMb: 9 }).room()
  expect(room).toMatchObject({ memoryReserveBytes: 7 * MiB, diskReserveBytes: 9 * MiB })
})

test('the machine is read from the kernel', async () => {
  const text = 'MemTotal:       24683912 kB\nMemFree:         1000 kB\nMemAvailable:   23042048 kB\n'
  expect(amountOf(text)).toEqual({ totalBytes: 24683912 * 1024, freeBytes: 23042048 * 1024 })
  expect(() => amountOf('')).toThrow('MemTotal')
  const { totalBytes, freeBytes } = await thisMachine('/').disk()
  expect(totalBytes).toBeGreaterThan(freeBytes)
})
