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
    { what: 'fewer than may be', numbers: [1, 2], current: 2, keep: 3, lost: [] },
    { what: 'exactly as many', numbers: [1, 2, 3], current: 3, keep: 3, lost: [] },
    { what: 'one too many: the oldest goes', numbers: [1, 2, 3, 4], current: 4, keep: 3, lost: [1] },
    { what: 'many too many', numbers: [1, 2, 3, 4, 5, 6], current: 6, keep: 2, lost: [1, 2, 3, 4] },
    { what: 'numbers with holes, in any order', numbers: [9, 2, 7, 4], current: 9, keep: 2, lost: [2, 4] },
    { what: 'an old one that the name means stays', numbers: [1, 2, 3, 4, 5], current: 1, keep: 3, lost: [2, 3] },
    { what: 'one alone: what the name means', numbers: [1, 2, 3], current: 1, keep: 1, lost: [2, 3] },
    { what: 'a name that means nothing keeps the newest', numbers: [1, 2, 3], current: null, keep: 2, lost: [1] },
    { what: 'nothing', numbers: [], current: null, keep: 3, lost: [] },
  ])('$what', ({ numbers, current, keep, lost }) => {
    expect(gone(numbers, current, keep)).toEqual(lost)
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
