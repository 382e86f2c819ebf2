/** What capsules used and what teams reserved, as clients see it. */
import { newId, type MetricsBody, type StatsBody, type UsageBody } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let ask: Ask
/** The processor time that the capsules have used, and their memory. */
let used: Map<string, { cpuMs: number; memoryBytes: number }>
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  used = new Map()
  on.host.using = () => [...used].map(([capsuleId, one]) => ({ capsuleId, ...one, diskBytes: 4096 }))
})
afterEach(() => on.end())

const points = async (id: string, range = '') =>
  ((await ask.of('capsuleMetrics', id, { query: range && `?range=${range}` })).body as MetricsBody).points
const stats = async (range = '1h') =>
  (await ask.api.call('capsuleStats', { query: `?range=${range}` })).body as StatsBody
const usage = async (query = '') => (await ask.api.call('capsuleUsage', { query })).body as UsageBody
const capsule = async (json: object = {}) => {
  const id = await ask.capsule(json)
  used.set(id, { cpuMs: 0, memoryBytes: 1000 })
  return id
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Five seconds go by; the capsules use so much of one processor meanwhile, and the host is asked. */
async function five(busy = 0.5): Promise<void> {
  for (const one of used.values()) one.cpuMs += busy * 5000
  const { asked } = on.host
  on.clock.advance(5)
  await expect.poll(() => on.host.asked).toBe(asked + 1)
  await settled()
}
async function minutes(count: number, busy = 0.5): Promise<void> {
  for (let i = 0; i < count * 12; i++) await five(busy)
}

describe('a capsule', () => {
  test('is busy as much as all its processors are', async () => {
    const [id, wide] = [await capsule(), await capsule({ vcpus: 2 })]
    for (const busy of [0, 0.5, 7]) await five(busy)
    const shares = (await points(id)).map(({ cpu_pct }) => Math.round(cpu_pct / 10) * 10)
    expect(shares).toEqual([50, 100])
    expect((await points(wide)).map(({ cpu_pct }) => Math.round(cpu_pct / 5) * 5)[0]).toBe(25)
    expect((await points(id))[0]).toMatchObject({ mem_bytes: 1000, disk_bytes: 4096 })
    const [first, second] = await points(id, '5m')
    expect(second!.timestamp_unix - first!.timestamp_unix).toBe(5)
  })

  test('begins anew when it is resumed', async () => {
    const id = await capsule()
    await five()
    await five()
    await ask.pause(id)
    await ask.resume(id)
    used.set(id, { cpuMs: 0, memoryBytes: 1000 })
    await five(0)
    expect(await points(id)).toHaveLength(1)
    await five()
    expect((await points(id)).map(({ cpu_pct }) => Math.round(cpu_pct / 10))).toEqual([5, 5])
  })

  test('is shown in single answers for ten minutes, and in means beyond', async () => {
    const id = await capsule()
    await minutes(12)
    expect((await points(id)).length).toBeGreaterThan(110)
    expect((await points(id)).length).toBeLessThanOrEqual(121)
    expect((await points(id, '5m')).length).toBeLessThanOrEqual(61)
    const hour = await points(id, '1h')
    expect(hour.length).toBeGreaterThanOrEqual(24)
    expect(hour.length).toBeLessThanOrEqual(26)
    expect(hour.every(({ timestamp_unix }) => timestamp_unix % 30 === 0)).toBe(true)
    const six = await points(id, '6h')
    expect(six.every(({ timestamp_unix }) => timestamp_unix % 300 === 0)).toBe(true)
    expect(six.length).toBeLessThanOrEqual(4)
    for (const { cpu_pct } of [...hour, ...six]) expect(cpu_pct).toBeCloseTo(50, -1)
  })

  test('means are means', async () => {
    const id = await capsule()
    await five()
    used.get(id)!.memoryBytes = 3000
    await five()
    used.get(id)!.memoryBytes = 1000
    await five()
    const both = await points(id, '24h')
    expect(both.reduce((sum, { mem_bytes }) => sum + mem_bytes, 0) / both.length).toBe(2000)
  })

  test('is known after it was destroyed, and after the server was restarted, for a day', async () => {
    const id = await capsule()
    await minutes(2)
    await ask.remove(id)
    await on.restart()
    for (const range of ['10m', '1h', '24h']) expect((await points(id, range)).length, range).toBeGreaterThan(0)
    on.clock.advance(3600)
    expect(await points(id, '1h')).toEqual([])
    expect((await points(id, '2h')).length).toBeGreaterThan(0)
    on.clock.advance(86_400)
    await settled()
    expect(await points(id, '24h')).toEqual([])
  })

  test('that is unknown is not found, and a range that there is not is refused', async () => {
    expect((await ask.of('capsuleMetrics', newId('capsule'))).status).toBe(404)
    const id = await capsule()
    expect((await ask.of('capsuleMetrics', id, { query: '?range=3m' })).status).toBe(400)
    expect((await ask.of('capsuleMetrics', id)).body).toEqual({ sandbox_id: id, range: '10m', points: [] })
  })

  test('a host that does not answer leaves a gap and no more', async () => {
    const id = await capsule()
    await five()
    on.host.faults.failNext('samples', new Error('not now'))
    await five()
    await five()
    expect((await points(id)).map(({ cpu_pct }) => Math.round(cpu_pct / 10))).toEqual([5])
  })

  test('while nothing runs, no host is asked', async () => {
    on.clock.advance(6)
    on.clock.advance(6)
    await settled()
    expect(on.host.asked).toBe(0)
  })
})

describe('a team', () => {
  test('has what runs now, the most that ever did, and a series', async () => {
    const ids = [await capsule({ vcpus: 2, memory_mb: 1024 }), await capsule()]
    expect((await stats()).current).toEqual({ running_count: 2, vcpus_reserved: 3, memory_mb_reserved: 1536 })
    for (const id of ids) await ask.remove(id)
    on.clock.advance(600)
    const { current, peaks, series, range } = await stats()
    expect(range).toBe('1h')
    expect(current).toEqual({ running_count: 0, vcpus_reserved: 0, memory_mb_reserved: 0 })
    expect(peaks).toEqual({ running_count: 2, vcpus: 3, memory_mb: 1536 })
    expect(series.labels).toHaveLength(60)
    for (const list of [series.running, series.vcpus, series.memory_mb]) expect(list).toHaveLength(60)
    expect(Math.max(...series.running)).toBe(2)
    expect(series.running.slice(-5)).toEqual([0, 0, 0, 0, 0])
    const steps = series.labels.map((label) => Date.parse(label))
    expect(steps.every((step, i) => i === 0 || step - steps[i - 1]! === 60_000)).toBe(true)
  })

  test.each([
    ['5m', 5],
    ['1h', 60],
    ['6h', 72],
    ['24h', 144],
    ['30d', 120],
  ])('has a series of %s, the last step of which is now', async (range, length) => {
    await capsule()
    const { series } = await stats(range)
    expect(series.running).toHaveLength(length)
    expect(series.running.at(-1)).toBe(1)
    expect(series.running.slice(0, -2)).toEqual(Array.from({ length: length - 2 }, () => 0))
  })

  test('keeps its peaks over a restart, for 30 days', async () => {
    const ids = [await capsule(), await capsule()]
    await ask.remove(ids[0]!)
    await on.restart()
    expect((await stats()).peaks.running_count).toBe(2)
    expect((await stats()).current.running_count).toBe(1)
    await ask.remove(ids[1]!)
    on.clock.advance(29 * 86_400)
    expect((await stats()).peaks.running_count).toBe(2)
    on.clock.advance(2 * 86_400)
    expect((await stats()).peaks.running_count).toBe(0)
  })

  test('is told what it reserved day by day, over midnight, and while no server ran', async () => {
    const now = on.clock.now()
    const midnight = (Math.floor(now / 86_400_000) + 1) * 86_400_000
    on.clock.advance((midnight - now) / 1000 - 3600)
    const id = await capsule({ vcpus: 2, memory_mb: 1024 })
    on.clock.advance(2 * 3600)
    await ask.pause(id)
    on.clock.advance(3600)
    await ask.resume(id)
    await on.restart()
    on.clock.advance(1800)
    await ask.remove(id)
    on.clock.advance(1800)
    const { points } = await usage()
    expect(points).toHaveLength(31)
    const [before, after] = points.slice(-2)
    expect(before!.cpu_minutes).toBeCloseTo(2 * 60, 0)
    expect(after!.cpu_minutes).toBeCloseTo(2 * 90, 0)
    expect(after!.ram_mb_minutes / 1024).toBeCloseTo(90, 0)
    expect(points.slice(0, -2).every(({ cpu_minutes, ram_mb_minutes }) => cpu_minutes + ram_mb_minutes === 0)).toBe(
      true,
    )
  })

  test('what runs on while no server does is counted from where it was left', async () => {
    await capsule()
    on.clock.advance(600)
    await on.server.close()
    on.clock.advance(600)
    await on.restart()
    const sum = (await usage()).points.reduce((all, { cpu_minutes }) => all + cpu_minutes, 0)
    expect(sum).toBeCloseTo(20, 0)
  })

  test('asks for a span of days, each of which is there', async () => {
    const body = await usage('?from=2024-02-28&to=2024-03-01')
    expect(body).toMatchObject({ from: '2024-02-28', to: '2024-03-01' })
    expect(body.points.map(({ date }) => date)).toEqual(['2024-02-28', '2024-02-29', '2024-03-01'])
    expect((await usage('?to=2024-03-01')).from).toBe('2024-01-31')
    expect((await usage('?from=2024-01-01&to=2024-12-31')).points).toHaveLength(366)
  })

  test.each(['?from=2024-03-02&to=2024-03-01', '?from=2024-01-01&to=2025-01-01', '?from=yesterday', '?to=2024-02-30'])(
    'is refused %s',
    async (query) => {
      const { status } = await ask.api.call('capsuleUsage', { query })
      expect(status).toBe(400)
    },
  )

  test('is refused a range of statistics that there is not', async () => {
    expect((await ask.api.call('capsuleStats', { query: '?range=2h' })).status).toBe(400)
  })
})
