import { expect, test } from 'vitest'
import { startTimeOf } from './identity.js'
import { usageOf } from './usage.js'

const self = async () => ({ pid: process.pid, startTime: (await startTimeOf(process.pid))! })

test('processor time and memory are those that the process has used', async () => {
  const before = await usageOf(await self())
  const { user, system } = process.cpuUsage()
  // The kernel counts in hundredths of a second.
  expect(Math.abs(before.cpuMs - (user + system) / 1000)).toBeLessThan(500)
  const held = Buffer.alloc(64 * 1024 * 1024, 1)
  const after = await usageOf(await self())
  expect(after.memoryBytes - before.memoryBytes).toBeGreaterThan(held.length / 2)
  expect(after.cpuMs).toBeGreaterThanOrEqual(before.cpuMs)
})

test('another process with the same pid is not it', async () => {
  await expect(usageOf({ ...(await self()), startTime: '1' })).rejects.toThrow('is gone')
  await expect(usageOf({ pid: 0x7fff_ffff, startTime: '1' })).rejects.toThrow()
})
