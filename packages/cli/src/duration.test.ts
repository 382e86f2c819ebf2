import { expect, test } from 'vitest'
import { parseDuration } from './duration.js'

test('a duration is a whole number of seconds, minutes, hours or days', () => {
  expect(['90', '30s', '5m', '2h', '30d', '0'].map(parseDuration)).toEqual([90, 30, 300, 7200, 2_592_000, 0])
})

test('anything else is none', () => {
  for (const text of ['', 's', '1.5h', '-1', '5 m', '5M', '1w', '1h30m', 'soon'])
    expect(parseDuration(text), text).toBeUndefined()
})
