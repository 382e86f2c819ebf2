import { describe, expect, test } from 'vitest'
import { HOUR, Ledger, MINUTE } from './ledger.js'

const at = (text: string) => Date.parse(text)
const two = { running: 2, vcpus: 3, memoryMb: 1000 }

describe('what is reserved', () => {
  test('is summed up by day, cut at midnight', () => {
    const ledger = new Ledger()
    ledger.add('t', two, { from: at('2026-01-01T23:59:00Z'), to: at('2026-01-03T00:00:30Z') })
    ledger.add('t', two, { from: at('2026-01-03T00:00:30Z'), to: at('2026-01-03T00:01:00Z') })
    const days = ledger.take().days.map(({ day, cpuMs, ramMbMs }) => [day, cpuMs / 60_000, ramMbMs / 60_000])
    expect(days).toEqual([
      ['2026-01-01', 3, 1000],
      ['2026-01-02', 3 * 1440, 1000 * 1440],
      ['2026-01-03', 3, 1000],
    ])
    expect(ledger.isEmpty).toBe(true)
  })

  test('is known for each minute and each hour by the most that it was', () => {
    const ledger = new Ledger()
    const from = at('2026-01-01T10:59:30Z')
    ledger.add('t', two, { from, to: from + 60_000 })
    ledger.add('t', { running: 1, vcpus: 8, memoryMb: 10 }, { from: from + 60_000, to: from + 61_000 })
    const { loads } = ledger.take()
    const of = (step: number) => loads.filter((load) => load.step === step).map(({ at, running }) => [at, running])
    const [first, second] = [Math.floor(from / 60_000) * 60, Math.floor(from / 60_000) * 60 + 60]
    expect(of(MINUTE)).toEqual([
      [first, 2],
      [second, 2],
    ])
    expect(of(HOUR)).toHaveLength(2)
    expect(loads.find((load) => load.at === second && load.step === MINUTE)).toMatchObject({ vcpus: 8, memoryMb: 1000 })
  })

  test('is no more rows than are kept, however long it was', () => {
    const ledger = new Ledger()
    ledger.add('t', two, { from: at('2020-01-01T00:00:00Z'), to: at('2026-01-01T00:00:00Z') })
    expect(ledger.take().loads.length).toBeLessThanOrEqual(1440 + 720)
  })

  test('a moment counts, and nothing does not', () => {
    const ledger = new Ledger()
    const now = at('2026-01-01T10:00:30Z')
    ledger.add('t', { running: 0, vcpus: 0, memoryMb: 0 }, { from: 0, to: now })
    expect(ledger.isEmpty).toBe(true)
    ledger.add('t', two, { from: now, to: now })
    expect(ledger.of('t').loads).toHaveLength(2)
    expect(ledger.of('other').loads).toEqual([])
  })

  test('what could not be written down is put in again', () => {
    const ledger = new Ledger()
    const now = at('2026-01-01T10:00:00Z')
    ledger.add('t', two, { from: now, to: now + 1000 })
    const entries = ledger.take()
    ledger.add('t', two, { from: now + 1000, to: now + 2000 })
    ledger.put(entries)
    expect(ledger.take().days).toMatchObject([{ cpuMs: 6000 }])
  })
})
