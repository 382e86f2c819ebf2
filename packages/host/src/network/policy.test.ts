import { openNetwork, type NetworkPolicy } from '@wrenn/wire'
import { expect, test } from 'vitest'
import { isOpen, judge, keepsNamed, split } from './policy.js'

const policy = (some: Partial<NetworkPolicy>): NetworkPolicy => ({ internet: false, allow: [], deny: [], ...some })

test('a range is told from a name', () => {
  expect(split(['10.0.0.0/8', 'Example.org', '203.0.113.7', '*.test'])).toEqual({
    ranges: ['10.0.0.0/8', '203.0.113.7'],
    names: ['example.org', '*.test'],
  })
})

test('deny comes before allow, and allow before the internet', () => {
  const some = policy({ allow: ['*.example.org'], deny: ['bad.example.org'] })
  const verdicts = ['a.example.org', 'A.B.Example.Org.', 'bad.example.org', 'example.org', 'notexample.org'].map(
    (name) => judge(some, name),
  )
  expect(verdicts).toEqual(['open', 'open', 'refuse', 'refuse', 'refuse'])
  expect(judge({ ...some, internet: true }, 'elsewhere.test')).toBe('answer')
  expect(judge({ ...some, internet: true }, 'bad.example.org')).toBe('refuse')
})

test('only what says nothing is open', () => {
  expect(isOpen(openNetwork)).toBe(true)
  for (const other of [{ internet: false }, { allow: ['a.test'] }, { deny: ['a.test'] }])
    expect(isOpen({ ...openNetwork, ...other })).toBe(false)
})

test('what names opened stays open only while all of them are allowed and none more is denied', () => {
  const before = policy({ allow: ['a.test', 'b.test'] })
  expect(keepsNamed(before, policy({ allow: ['b.test', 'a.test', 'c.test'] }))).toBe(true)
  expect(keepsNamed(before, policy({ allow: ['a.test'] }))).toBe(false)
  expect(keepsNamed(before, { ...before, deny: ['a.test'] })).toBe(false)
})
