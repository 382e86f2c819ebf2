import type { MetricsBody, MetricsRange } from '@wrenn/wire'
import { findCapsule } from '../capsule.js'
import type { Caller, Context } from '../context.js'
import { meansOver, type Point } from './points.js'
import { FINE_SEC, STEP_SEC, type Sampler } from './sampler.js'

/** How far back a range goes, and over what its points are means; in seconds. 0: they are single answers. */
const ranges: Record<MetricsRange, { length: number; step: number }> = {
  '5m': { length: FINE_SEC / 2, step: 0 },
  '10m': { length: FINE_SEC, step: 0 },
  '1h': { length: 3_600, step: STEP_SEC },
  '2h': { length: 7_200, step: STEP_SEC },
  '6h': { length: 21_600, step: 300 },
  '12h': { length: 43_200, step: 300 },
  '24h': { length: 86_400, step: 300 },
}

/** What single capsules used. */
export class Metrics {
  constructor(
    private readonly context: Context,
    private readonly sampler: Sampler,
  ) {}

  /** What there is of a range, also of a capsule that has ended. @throws Problem `not_found` */
  async of({ teamId }: Caller, id: string, range: MetricsRange): Promise<MetricsBody> {
    const { store, clock } = this.context
    findCapsule(await store.capsules.find(teamId, id))
    const { length, step } = ranges[range]
    const now = Math.floor(clock.now() / 1000)
    const points = step === 0 ? await this.#fine(id, now - length) : await this.#means(id, { length, step, now })
    return { sandbox_id: id, range, points: points.map(shown) }
  }

  /** Single answers; means of what was before the server began to ask. */
  async #fine(id: string, from: number): Promise<Point[]> {
    const fine = this.sampler.fine(id).filter(({ at }) => at >= from)
    const to = fine[0]?.at ?? Infinity
    const means = await this.#stored(id, { from, to: Math.min(to, 2 ** 40), step: STEP_SEC })
    return [...means.filter(({ at }) => at + STEP_SEC <= to), ...fine]
  }

  async #means(id: string, { length, step, now }: { length: number; step: number; now: number }): Promise<Point[]> {
    const from = (Math.floor((now - length) / step) + 1) * step
    const recent = this.sampler.recent(id)
    // From here on the steps are made of what is written down and of what is not yet.
    const edge = Math.max(from, Math.floor((recent[0]?.at ?? now) / step) * step)
    const before = await this.#stored(id, { from, to: edge, step })
    const written = await this.#stored(id, { from: edge, to: now + 1, step: STEP_SEC })
    const latest = new Map([...written, ...recent].filter(({ at }) => at >= edge).map((point) => [point.at, point]))
    return [...before, ...meansOver([...latest.values()], step)]
  }

  #stored(id: string, { from, to, step }: { from: number; to: number; step: number }): Promise<Point[]> {
    return this.context.store.meter.samples(id, { from, to }, step)
  }
}

function shown({ at, cpuPct, memBytes, diskBytes }: Point) {
  return {
    timestamp_unix: at,
    cpu_pct: Math.round(cpuPct * 100) / 100,
    mem_bytes: memBytes,
    disk_bytes: diskBytes,
  }
}
