import { expect, test } from 'vitest'
import { complaints, soakReport, type Outcome } from './report.js'

const good: Outcome = {
  ...{ seed: 7, minutes: 1.5, operations: 3 },
  kinds: [{ kind: 'exec', count: 3, median: 12.4, p95: 20, p99: 30 }],
  errors: [{ kind: 'exec', code: 'connection', why: 'fault', count: 2, example: 'Nothing answers.' }],
  faults: { serverKills: 1, vmmKills: 2 },
  events: { read: 9, repeated: 0 },
  wrong: [],
  descriptors: { first: 40, last: 41 },
  memory: { first: 100_000_000, last: 110_000_000 },
  left: { processes: [], namespaces: [], links: [], groups: [], files: [] },
}

test('what fails because of a fault is no reproach', () => {
  expect(complaints(good)).toEqual([])
  const text = soakReport(good)
  expect(text).toMatch(/exec +3 +12 ms +20 ms +30 ms/)
  expect(text).toMatch(/connection +exec +fault +2/)
  expect(text).toContain('Nothing is wrong, and nothing is left.')
})

test.each<[string, Partial<Outcome>, string]>([
  ['a wrong content', { wrong: ['cl-1 has another'] }, 'cl-1 has another'],
  ['an error without a fault', { errors: [{ ...good.errors[0]!, why: 'unexpected' }] }, 'exec failed 2 times'],
  ['an event that came twice', { events: { read: 9, repeated: 1 } }, 'twice'],
  ['descriptors that are not closed', { descriptors: { first: 40, last: 90 } }, 'from 40 to 90'],
  ['memory that grows', { memory: { first: 100_000_000, last: 300_000_000 } }, 'from 95.4 MiB to 286 MiB'],
  ['a process that is left', { left: { ...good.left, processes: ['12 qemu'] } }, 'processes: 12 qemu'],
])('%s is one', (_, bad, words) => {
  const said = complaints({ ...good, ...bad })
  expect(said).toHaveLength(1)
  expect(said[0]).toContain(words)
})
