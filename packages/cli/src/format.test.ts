import { expect, test } from 'vitest'
import { age, bytes, fields, left, table } from './format.js'

test('bytes are shown in the unit that suits them', () => {
  expect([0, 1023, 1024, 7_663_616, 300 * 2 ** 30].map(bytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '7.3 MiB',
    '300 GiB',
  ])
})

test('ages are shown in the largest whole unit', () => {
  const now = Date.parse('2030-01-02T00:00:00Z')
  const shown = [
    '2030-01-01T23:59:30Z',
    '2030-01-01T23:55:00Z',
    '2030-01-01T22:00:00Z',
    '2029-12-30T00:00:00Z',
    '2030-01-02T00:00:05Z',
  ]
  expect(shown.map((time) => age(time, now))).toEqual(['30 s', '5 min', '2 h', '3 d', '0 s'])
})

test('what is left until a time is shown likewise', () => {
  const now = Date.parse('2030-01-02T00:00:00Z')
  const shown = ['2030-01-02T00:05:00Z', '2030-02-01T00:00:00Z', '2030-01-02T00:00:00Z']
  expect(shown.map((time) => left(time, now))).toEqual(['5 min', '30 d', 'ended'])
})

test('tables and fields line up', () => {
  expect(
    table(
      ['A', 'B'],
      [
        ['long one', 'x'],
        ['y', 'z'],
      ],
    ),
  ).toBe('A         B\nlong one  x\ny         z')
  expect(fields({ id: 'x', labels: { a: 'b' }, none: undefined })).toBe('id      x\nlabels  {"a":"b"}')
})
