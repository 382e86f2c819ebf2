import { expect, test } from 'vitest'
import { Limits } from './limits.js'

test('without a limit a key may ask as often as it likes', async () => {
  const limits = new Limits({})
  for (let i = 0; i < 1000; i++) await limits.asked('key-1')
})

test('a key that asks too often is told when it may again, and others are not', async () => {
  const limits = new Limits({ perKey: 2 })
  await limits.asked('key-1')
  await limits.asked('key-1')
  const refused = await limits.asked('key-1').catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'rate_limited', hint: expect.stringContaining('2 a minute') })
  const { retryAfterSec } = refused as { retryAfterSec: number }
  expect(retryAfterSec).toBeGreaterThan(50)
  expect(retryAfterSec).toBeLessThanOrEqual(60)
  await limits.asked('key-2')
})

test('thirty wrong keys a minute from one address are enough', async () => {
  const limits = new Limits({})
  for (let i = 0; i < 30; i++) await limits.failed('192.0.2.1')
  await expect(limits.failed('192.0.2.1')).rejects.toMatchObject({ code: 'rate_limited' })
})

test('however many addresses fail, what is remembered of them is bounded', async () => {
  const limits = new Limits({ failures: 1 })
  let refused = 0
  // By the pigeonhole principle: no more than 4096 are let through.
  for (let i = 0; i < 6000; i++) await limits.failed(`2001:db8::${i.toString(16)}`).catch(() => refused++)
  expect(refused).toBeGreaterThanOrEqual(6000 - 4096)
})
