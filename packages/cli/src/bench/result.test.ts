import { expect, test } from 'vitest'
import { resultsOf } from './result.js'
import type { Figure, Row } from './types.js'

function figure(...rows: Partial<Row>[]): Figure {
  const whole = rows.map((row, index) => ({ id: `row-${index}`, title: 'a row', unit: 'ms' as const, ...row }))
  return { name: 'some', rows: whole, open: () => Promise.reject(new Error('not opened here')) }
}

test('the ratio is that of the medians, and the aim is about it', () => {
  const one = figure({ reference: 'another', aim: { atMost: 2, of: 'ratio' } })
  const samples = [
    { row: 'row-0', value: 10, reference: 4 },
    { row: 'row-0', value: 30, reference: 5 },
    { row: 'row-0', value: 12, reference: 8 },
  ]
  expect(resultsOf(one, { samples })).toMatchObject([
    { figure: 'some', measured: { count: 3, median: 12 }, referenceMeasured: { median: 5 }, ratio: 2.4, met: false },
  ])
})

test('an aim may be about the value itself', () => {
  const one = figure({ aim: { atMost: 20, of: 'value' } })
  expect(resultsOf(one, { samples: [{ row: 'row-0', value: 20 }] })).toMatchObject([{ met: true }])
})

test('a row without an aim says nothing of one', () => {
  const [result] = resultsOf(figure({}), { samples: [{ row: 'row-0', value: 20 }] })
  expect(result).not.toHaveProperty('met')
  expect(result).not.toHaveProperty('ratio')
})

test('a failure is told of every row but those that were skipped, beside what was measured before it', () => {
  const two = figure({}, {}, {})
  const samples = [{ row: 'row-0', value: 1 }]
  const results = resultsOf(two, { samples, skipped: { 'row-2': 'too large' }, failure: 'it broke' })
  expect(results).toMatchObject([
    { measured: { count: 1 }, failure: 'it broke' },
    { failure: 'it broke' },
    { skipped: 'too large' },
  ])
  expect(results[2]).not.toHaveProperty('failure')
})
