import { expect, test } from 'vitest'
import type { Conditions } from './conditions.js'
import { report, shown } from './report.js'
import type { Result } from './result.js'

const conditions: Conditions = {
  ...{ cpu: 'A processor', cores: 2, memory_bytes: 2 ** 34, load: 0.5, kernel: '6.1' },
  ...{ vmm: 'qemu 10.0.2', accelerator: 'tcg', file_system: 'ext4', rounds: 5 },
}
const row: Result = { figure: 'some', id: 'one', title: 'a row', unit: 'ms' }

test('conditions come first, then each row with its reference and what became of its aim', () => {
  const measured = { count: 5, median: 12.34, p95: 150, p99: 160 }
  const referenceMeasured = { count: 5, median: 6.17, p95: 7, p99: 7 }
  const aim = { atMost: 1.5, of: 'ratio' as const }
  const text = report(conditions, [
    { ...row, measured, reference: 'another', referenceMeasured, ratio: 2, aim, met: false },
  ])
  expect(text).toContain('A processor, 2 cores, 16.0 GiB, load 0.50')
  expect(text).toContain('qemu 10.0.2 under TCG, data on ext4')
  expect(text).toMatch(/a row +12\.3 ms +150 ms +another +6\.17 ms +7\.00 ms +2\.00 × +≤ 1\.5 ×, missed/)
})

test('what failed is told once for all rows of a figure, and what was skipped for each', () => {
  const failed = { ...row, failure: 'it broke' }
  const text = report(conditions, [failed, { ...failed, id: 'two' }, { ...row, title: 'large', skipped: 'too large' }])
  expect(text.match(/some failed: it broke/g)).toHaveLength(1)
  expect(text).toContain('large: skipped, too large')
})

test('values have three digits or so', () => {
  expect([shown(0.123, 'ms'), shown(1234.5, 'ms'), shown(21_400_000, 'bytes')]).toEqual([
    '0.12 ms',
    '1235 ms',
    '21.4 MB',
  ])
})
