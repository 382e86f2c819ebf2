/** Which versions the rule keeps. */
import { describe, expect, test } from 'vitest'
import { expiries, surplus, type Kept } from './surplus.js'

const at = (seconds: number) => new Date(seconds * 1000).toISOString()
/** Versions numbered and made in the order of their names; `used` says in which second each was used last. */
const versions = (numbers: number[], used: Record<number, number> = {}): Kept[] =>
  numbers.map((number) => {
    const last = used[number]
    return { id: `v${number}`, number, createdAt: at(number), lastUsedAt: last === undefined ? null : at(last) }
  })
const gone = (numbers: number[], current: number | null, keep: number) =>
  surplus({ versions: versions(numbers), currentId: current === null ? null : `v${current}` }, keep)
    .map(({ number }) => number)
    .sort()

describe('how many', () => {
  test.each([
    ['fewer than may be', [1, 2], 2, 3, []],
    ['exactly as many', [1, 2, 3], 3, 3, []],
    ['one too many: the oldest goes', [1, 2, 3, 4], 4, 3, [1]],
    ['many too many', [1, 2, 3, 4, 5, 6], 6, 2, [1, 2, 3, 4]],
    ['numbers with holes, in any order', [9, 2, 7, 4], 9, 2, [2, 4]],
    ['an old one that the name means stays, with the newest', [1, 2, 3, 4, 5], 1, 3, [2, 3]],
    ['one alone: what the name means, however old', [1, 2, 3], 1, 1, [2, 3]],
    ['a name that means nothing keeps the newest', [1, 2, 3], null, 2, [1]],
    ['nothing', [], null, 3, []],
  ] as const)('%s', (_, numbers, current, keep, expected) => {
    expect(gone([...numbers], current, keep)).toEqual([...expected])
  })

  test('whatever there is, the one that the name means is kept, and no more than the rule allows', () => {
    for (let size = 1; size <= 6; size++)
      for (let keep = 1; keep <= 7; keep++)
        for (let current = 1; current <= size; current++) {
          const numbers = Array.from({ length: size }, (_, i) => i + 1)
          const lost = gone(numbers, current, keep)
          expect(lost).not.toContain(current)
          expect(size - lost.length).toBe(Math.min(size, keep))
        }
  })
})

describe('how long', () => {
  const times = (all: Kept[], current: number, seconds: number) =>
    Object.fromEntries(
      [...expiries({ versions: all, currentId: `v${current}` }, seconds)].map(([{ id }, ms]) => [id, ms / 1000]),
    )

  test('the making of a version counts as its use', () => {
    expect(times(versions([1]), 1, 100)).toEqual({ v1: 101 })
  })

  test('every use begins the time anew', () => {
    expect(times(versions([1, 2], { 1: 50, 2: 60 }), 2, 100)).toEqual({ v1: 150, v2: 160 })
  })

  test('the one that the name means goes as the last, with the last of the others', () => {
    expect(times(versions([1, 2, 3], { 1: 500 }), 3, 100)).toEqual({ v1: 600, v2: 102, v3: 600 })
  })
})
