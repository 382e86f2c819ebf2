import { expect, test } from 'vitest'
import { freedBy, selectPrunable, type PruneRule } from './prune.js'
import { versionBody } from './testing/bodies.js'

const day = 86_400
const now = Date.parse('2030-02-01T00:00:00Z')
const ago = (days: number) => new Date(now - days * day * 1000).toISOString()
const versions = [
  versionBody(4, { created_at: ago(10) }),
  versionBody(3, { created_at: ago(20), current: true }),
  versionBody(2, { created_at: ago(30), last_used_at: ago(1) }),
  versionBody(1, { created_at: ago(40) }),
  versionBody(1, { name: 'other', current: true, created_at: ago(99) }),
]
const chosen = (rule: PruneRule, from = versions) =>
  selectPrunable(from, rule, now).map(({ name, version }) => `${name}@${version}`)

test('only what the name means stays when nothing else is said, wherever it stands', () => {
  expect(chosen({ keep: 1 })).toEqual(['trained@1', 'trained@2', 'trained@4'])
  expect(chosen({ keep: 0 })).toEqual(chosen({ keep: 1 }))
})

test('of those to keep, the present one is the first and then the newest', () => {
  expect(chosen({ keep: 2 })).toEqual(['trained@1', 'trained@2'])
  expect(chosen({ keep: 9 })).toEqual([])
})

test('with a time, only what was not used for so long goes; a capture counts as use', () => {
  expect(chosen({ keep: 1, unusedFor: 5 * day })).toEqual(['trained@1', 'trained@4'])
  expect(chosen({ keep: 2, unusedFor: 5 * day })).toEqual(['trained@1'])
  expect(chosen({ keep: 1, unusedFor: 50 * day })).toEqual([])
})

test('what is protected stays', () => {
  const theirs = versions.map((one) => ({ ...one, protected: true }))
  expect(chosen({ keep: 1 }, theirs)).toEqual([])
})

test('what a deletion frees is its own share, or at most what it brought', () => {
  expect(freedBy(versionBody(1, { unique_bytes: 7 }))).toEqual({ bytes: 7, isExact: true })
  expect(freedBy(versionBody(1, { size_bytes: 9 }))).toEqual({ bytes: 9, isExact: false })
})
