import { expect, test } from 'vitest'
import { parseServerTiming } from './timings.js'

test('durations are told by the names of their parts', () => {
  expect(parseServerTiming('capture;dur=12.5, sync;dur=3,total;dur=20')).toEqual({ capture: 12.5, sync: 3, total: 20 })
})

test('descriptions are skipped, whatever is in them, and values may be quoted', () => {
  expect(parseServerTiming('a;desc="x, y;dur=9 \\" z";dur=1, b ; dur = "2.5" ; desc=two')).toEqual({ a: 1, b: 2.5 })
})

test('what has no duration is left out, and nothing at all is undefined', () => {
  expect(parseServerTiming('hit, a;dur=1, b;dur=x')).toEqual({ a: 1 })
  for (const header of [null, '', 'hit', 'a;desc="b"']) expect(parseServerTiming(header)).toBeUndefined()
})
