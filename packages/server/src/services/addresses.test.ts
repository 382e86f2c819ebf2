import { expect, test } from 'vitest'
import { isLoopback } from './addresses.js'

test('only this machine has loopback addresses', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost'])
    expect(isLoopback(address), address).toBe(true)
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.example.com',
    '::ffff:10.0.0.1',
    'localhost.example.com',
    '',
  ])
    expect(isLoopback(address), address).toBe(false)
})
