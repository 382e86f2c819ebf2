import { expect, test } from 'vitest'
import { summarize } from './statistics.js'

test('the median is the middle, or the mean of the two in the middle', () => {
  expect(summarize([9, 1, 5]).median).toBe(5)
  expect(summarize([9, 1, 5, 6]).median).toBe(5.5)
  expect(summarize([7])).toEqual({ count: 1, median: 7, p95: 7, p99: 7 })
})

test('95 % are at or below the 95th percentile, and 99 % at or below the 99th', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(summarize(hundred)).toMatchObject({ p95: 95, p99: 99 })
  expect(summarize([1, 2, 3, 4, 50]).p95).toBe(50)
})

test('the values stay as they are, and nothing has no summary', () => {
  const values = [3, 1, 2]
  summarize(values)
  expect(values).toEqual([3, 1, 2])
  expect(() => summarize([])).toThrow('nothing')
})
