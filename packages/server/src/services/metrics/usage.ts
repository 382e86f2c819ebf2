import { MOST_USAGE_DAYS, Problem, type StatsBody, type StatsRange, type UsageBody } from '@wrenn/wire'
import { Cautious } from '../cautious.js'
import { Alarm, toIso } from '../clock.js'
import type { Caller, Context } from '../context.js'
import { DAY, dayOf, HOUR, kept, Ledger, MINUTE, mostOf, type Entries } from './ledger.js'
import { plus, type Reserved, type Running, type RunningCapsule } from './running.js'

/** How often what is reserved is written down, in milliseconds: a crash loses no more. */
const FLUSH_MS = 60_000
/** How often what is too old is removed, in milliseconds. */
const FORGET_MS = 10 * 60_000
/** How many days sums are kept. */
const DAYS_KEPT = 1_100

/** Of a range: how many steps, how long each is, and of which loads it is made; in seconds. */
const series: Record<StatsRange, { count: number; step: number; of: typeof MINUTE | typeof HOUR }> = {
  '5m': { count: 5, step: MINUTE, of: MINUTE },
  '1h': { count: 60, step: MINUTE, of: MINUTE },
  '6h': { count: 72, step: 5 * MINUTE, of: MINUTE },
  '24h': { count: 144, step: 10 * MINUTE, of: MINUTE },
  '30d': { count: 120, step: 6 * HOUR, of: HOUR },
}

/** What teams reserve by running capsules: now, at most, and in sum. */
export class Usage {
  readonly #ledger = new Ledger()
  /** Until when teams are accounted for, and when was forgotten what is too old: by the clock that does not jump. */
  readonly #since = new Map<string, number>()
  #forgotten = -Infinity
  readonly #alarm: Alarm
  readonly #time: Cautious

  constructor(
    private readonly context: Context,
    private readonly running: Running,
  ) {
    this.#alarm = new Alarm(context.clock)
    this.#time = new Cautious(context.clock)
    running.beforeChange((teamId) => this.#account(teamId))
  }

  /** Accounts for what ran while no server did: what was there before and is there now was there all along. */
  async begin(): Promise<void> {
    const { store, clock } = this.context
    const now = clock.now()
    const until = (await store.meter.accountedUntil()) ?? 0
    const since = ({ lastUpdated }: RunningCapsule) => Math.min(now, Math.max(until, Date.parse(lastUpdated)))
    for (const teamId of this.running.teams()) {
      const capsules = this.running.all().filter((one) => one.teamId === teamId)
      let reserved = none
      for (const [i, one] of capsules.sort((a, b) => since(a) - since(b)).entries()) {
        reserved = plus(reserved, one)
        const next = capsules[i + 1]
        this.#ledger.add(teamId, reserved, { from: since(one), to: next ? since(next) : now })
      }
      this.#since.set(teamId, clock.elapsed())
    }
    this.#wait()
  }

  stop(): void {
    this.#alarm.stop()
  }

  /** How many run now, and what they reserve; the peaks of 30 days; and how it was over a range. */
  async stats({ teamId }: Caller, range: StatsRange): Promise<StatsBody> {
    this.#account(teamId)
    const now = Math.floor(this.context.clock.now() / 1000)
    const current = this.running.of(teamId)
    const hours = await this.#loads(teamId, HOUR, { from: now - kept[HOUR], to: now + 1 })
    const peaks = hours.reduce<Reserved>(mostOf, current)
    const { count, step, of } = series[range]
    const from = (Math.floor(now / step) - count + 1) * step
    const loads = await this.#loads(teamId, of, { from, to: now + 1 })
    const steps = Array.from({ length: count }, (_, i) => ({ at: from + i * step, most: none }))
    for (const load of loads) {
      const one = steps[Math.floor((load.at - from) / step)]
      if (one) one.most = mostOf(load, one.most)
    }
    return {
      range,
      current: {
        running_count: current.running,
        vcpus_reserved: current.vcpus,
        memory_mb_reserved: current.memoryMb,
      },
      peaks: { running_count: peaks.running, vcpus: peaks.vcpus, memory_mb: peaks.memoryMb },
      series: {
        labels: steps.map(({ at }) => toIso(at * 1000)),
        running: steps.map(({ most }) => most.running),
        vcpus: steps.map(({ most }) => most.vcpus),
        memory_mb: steps.map(({ most }) => most.memoryMb),
      },
    }
  }

  /**
   * What was reserved on each day, both ends included.
   * @throws Problem `invalid_request` when it ends before it begins, or is too long
   */
  async usage({ teamId }: Caller, given: { from?: string | undefined; to?: string | undefined }): Promise<UsageBody> {
    const now = this.context.clock.now()
    const to = given.to ?? dayOf(now)
    const from = given.from ?? dayOf(Date.parse(to) - 30 * DAY * 1000)
    const count = Math.round((Date.parse(to) - Date.parse(from)) / (DAY * 1000)) + 1
    if (count < 1) throw new Problem('invalid_request', 'from: must not be after `to`.')
    if (count > MOST_USAGE_DAYS)
      throw new Problem('invalid_request', `from: at most ${MOST_USAGE_DAYS} days can be asked for at once.`)
    this.#account(teamId)
    const { days } = await this.#read(teamId, async (meter) => ({
      days: await meter.days(teamId, from, to),
      loads: [],
    }))
    const byDay = new Map(days.map((day) => [day.day, day]))
    const points = Array.from({ length: count }, (_, i) => {
      const date = dayOf(Date.parse(from) + i * DAY * 1000)
      const { cpuMs = 0, ramMbMs = 0 } = byDay.get(date) ?? {}
      return { date, cpu_minutes: minutes(cpuMs), ram_mb_minutes: minutes(ramMbMs) }
    })
    return { from, to, points }
  }

  /** Writes down what was reserved until now. A failure is logged, and made good by the next time. */
  async flush(): Promise<void> {
    const { store, clock, log } = this.context
    const isDue = clock.elapsed() - this.#forgotten >= FORGET_MS
    if (this.#ledger.isEmpty && this.running.size === 0 && !isDue) return
    let entries: Entries | undefined
    try {
      await store.transaction(async ({ meter }) => {
        // Taken out only now, when nobody else reads: whoever reads sees it either here or there.
        for (const teamId of this.running.teams()) this.#account(teamId)
        const now = clock.now()
        entries = this.#ledger.take()
        await meter.addDays(entries.days)
        await meter.raiseLoads(entries.loads)
        await meter.accounted(now)
        if (!isDue) return
        await meter.forget(tooOld(Math.min(now, this.#time.now())))
        this.#forgotten = clock.elapsed()
      })
    } catch (err) {
      if (entries) this.#ledger.put(entries)
      log.error({ err }, 'usage could not be written down; it is tried again')
    }
  }

  #wait(): void {
    this.#alarm.set(this.context.clock.now() + FLUSH_MS, () => void this.flush().then(() => this.#wait()))
  }

  /** Notes what a team has reserved until now. */
  #account(teamId: string): void {
    const { clock } = this.context
    const [now, elapsed] = [clock.now(), clock.elapsed()]
    const ms = elapsed - (this.#since.get(teamId) ?? elapsed)
    this.#ledger.add(teamId, this.running.of(teamId), { from: now - ms, to: now })
    this.#since.set(teamId, elapsed)
  }

  async #loads(teamId: string, step: number, period: { from: number; to: number }) {
    const { loads } = await this.#read(teamId, async (meter) => ({
      days: [],
      loads: await meter.loads(teamId, step, period),
    }))
    return loads.filter((load) => load.step === step && load.at >= period.from && load.at < period.to)
  }

  /** What is written down together with what is not yet. */
  async #read(teamId: string, read: (meter: Context['store']['meter']) => Promise<Entries>): Promise<Entries> {
    return this.context.store.transaction(async ({ meter }) => {
      const both = new Ledger()
      both.put(await read(meter))
      both.put(this.#ledger.of(teamId))
      return both.take()
    })
  }
}

const none: Reserved = { running: 0, vcpus: 0, memoryMb: 0 }

function minutes(ms: number): number {
  return Math.round(ms / 600) / 100
}

function tooOld(now: number) {
  const at = Math.floor(now / 1000)
  return {
    samples: at - DAY,
    loads: ([MINUTE, HOUR] as const).map((step) => ({ step, at: at - kept[step] })),
    day: dayOf(now - DAYS_KEPT * DAY * 1000),
  }
}
