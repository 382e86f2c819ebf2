import { expect, test } from 'vitest'
import { capacityOf, endsOf, freeNumbers, numberOf, parseRange, resolverOf } from './addresses.js'

const POOL = '10.213.0.0/16'

test('each network has two addresses of its own, and none is that of the resolver', () => {
  expect(resolverOf(POOL)).toBe('10.213.0.1')
  expect(endsOf(POOL, 1)).toEqual({ link: 'wrenn1', host: '10.213.0.5', namespace: '10.213.0.6', prefix: 30 })
  const all = Array.from({ length: capacityOf(POOL) }, (_, i) => endsOf(POOL, i + 1))
  const used = all.flatMap(({ host, namespace }) => [host, namespace])
  expect(new Set([...used, resolverOf(POOL)]).size).toBe(2 * all.length + 1)
  expect(all.at(-1)).toMatchObject({ host: '10.213.255.253', namespace: '10.213.255.254' })
})

test('a range begins where its prefix says, whatever address of it was named', () => {
  expect(parseRange('192.168.7.9/24')).toEqual({ first: 0xc0_a8_07_00, count: 256 })
  expect(parseRange('255.255.255.255')).toEqual({ first: 0xff_ff_ff_ff, count: 1 })
  expect(parseRange('0.0.0.0/0')).toEqual({ first: 0, count: 2 ** 32 })
})

test('numbers are the lowest that nobody has, and no more than the pool has', () => {
  expect(freeNumbers(POOL, new Set([1, 3]), 3)).toEqual([2, 4, 5])
  expect(freeNumbers('10.0.0.0/28', new Set([2]), 9)).toEqual([1, 3])
  expect(freeNumbers('10.0.0.0/29', new Set([1]), 9)).toEqual([])
})

test('a number is read from the name of a link, and from no other name', () => {
  expect(['wrenn17', 'wrenn', 'wrenn-dns', 'wrenn1a', 'eth0', 'xwrenn1'].map(numberOf)).toEqual([
    17,
    ...Array<undefined>(5),
  ])
})
