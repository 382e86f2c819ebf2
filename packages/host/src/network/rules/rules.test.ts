import { expect, test } from 'vitest'
import { hostTable } from './host.js'
import { namedUpdate, policyUpdate, slotTable } from './slot.js'

const chain = (table: string, name: string) =>
  new RegExp(`chain ${name} \\{([^}]*\\{[^}]*\\})*[^}]*\\}`).exec(table)![0]

test('what is closed is judged before anything that a policy says', () => {
  const table = slotTable({ address: '10.213.0.6', opened: ['10.1.0.0/16'] })
  const judged = chain(table, 'from_guest')
  const order = ['@closed', '@denied', '@allowed', '@named', 'goto otherwise'].map((part) => judged.indexOf(part))
  expect(order).toEqual([...order].sort((a, b) => a - b))
  expect(Math.min(...order)).toBeGreaterThan(0)
  expect(judged).not.toMatch(/established.*accept/)
  expect(table).toContain('set opened { type ipv4_addr; flags interval; auto-merge; elements = { 10.1.0.0/16 }; }')
  for (const range of ['10.0.0.0/8', '169.254.0.0/16', '168.63.129.16']) expect(table).toContain(range)
})

test('a policy is replaced as a whole, and decides what becomes of the rest', () => {
  const update = policyUpdate({ internet: false, allow: ['203.0.113.0/24', 'a.test'], deny: ['203.0.113.7'] }, false)
  for (const set of ['denied', 'allowed', 'named']) expect(update).toContain(`flush set inet capsule ${set}`)
  expect(update).toContain('add element inet capsule denied { 203.0.113.7 }')
  expect(update).toContain('add element inet capsule allowed { 203.0.113.0/24 }')
  expect(update).toContain('otherwise goto refuse')
  expect(update).not.toContain('a.test')
  const open = policyUpdate({ internet: true, allow: [], deny: ['a.test'] }, true)
  expect(open).toContain('otherwise accept')
  expect(open).toContain('dport { 53, 853 } goto refuse')
  expect(open).not.toContain('flush set inet capsule named')
})

test('a name that stands for nothing changes nothing', () => {
  expect(namedUpdate([]).trim()).toBe('')
})

test('on the host all that comes from capsules is refused but questions for names', () => {
  const input = hostTable({ pool: '10.213.0.0/16', resolver: { address: '10.213.0.1', port: 20_001 } })
  const own = input.slice(input.indexOf('flush table'))
  expect(chain(own, 'input').match(/accept|goto refuse/g)).toEqual(['accept', 'accept', 'goto refuse'])
  expect(input).toContain('add element inet wrenn resolvers { 10.213.0.1 . 20001 }')
})
