import type { CapsuleSample } from '@wrenn/wire'
import type { Sample } from '../../store/store.js'
import { Alarm } from '../clock.js'
import type { Context } from '../context.js'
import { meansOver, type Point } from './points.js'
import type { Running } from './running.js'

/** How often the hosts are asked, in milliseconds. */
const EVERY_MS = 5_000
/** How long each single answer is kept, in seconds. */
export const FINE_SEC = 600
/** Over how many seconds the means are that are written down. */
export const STEP_SEC = 30
/** How many of them wait at most where they cannot be written down; then the oldest are given up. */
const MOST_WAITING = 10_000

/** Asks the hosts what running capsules use. No guest is asked, and none is any less idle for it. */
export class Sampler {
  readonly #alarm: Alarm
  /** The processor time that each had used when it was asked for last. */
  readonly #last = new Map<string, { at: number; cpuMs: number }>()
  readonly #fine = new Map<string, Point[]>()
  /** The points of the steps that are not over, of each capsule. */
  readonly #open = new Map<string, Point[]>()
  #waiting: Sample[] = []
  #isAsking = false
  #answered: number | undefined
  #flushing: Promise<void> = Promise.resolve()
  #heard: (isAnswering: boolean) => void = () => {}

  constructor(
    private readonly context: Context,
    private readonly running: Running,
  ) {
    this.#alarm = new Alarm(context.clock)
  }

  begin(): void {
    this.#alarm.set(this.context.clock.now() + EVERY_MS, () => this.#tick())
  }

  stop(): void {
    this.#alarm.stop()
  }

  /** Sets what is told again and again whether the hosts answer. */
  onHeard(heard: (isAnswering: boolean) => void): void {
    this.#heard = heard
  }

  /** How long ago the hosts answered last, in seconds; undefined while there is nothing to ask for. */
  get age(): number | undefined {
    if (this.running.size === 0 || this.#answered === undefined) return undefined
    return (this.context.clock.elapsed() - this.#answered) / 1000
  }

  /** The single answers of the last minutes about a capsule, the oldest first. */
  fine(id: string): readonly Point[] {
    return this.#fine.get(id) ?? []
  }

  /** Means that are not written down yet, the last of them of a step that is not over; the oldest first. */
  recent(id: string): Point[] {
    const waiting = this.#waiting.filter(({ capsuleId }) => capsuleId === id)
    return [...waiting, ...meansOver(this.#open.get(id) ?? [], STEP_SEC)]
  }

  /** Writes down all that there is. */
  async flush(): Promise<void> {
    this.#close(Infinity)
    await this.#write()
  }

  #tick(): void {
    const now = this.context.clock.now()
    if (this.#isAsking) this.#heard(false)
    else if (this.running.size > 0) void this.#ask()
    this.#forget(now / 1000)
    this.#close(Math.floor(now / 1000 / STEP_SEC) * STEP_SEC)
    void this.#write()
    this.begin()
  }

  async #ask(): Promise<void> {
    const { fleet, clock, log } = this.context
    this.#isAsking = true
    try {
      const samples = (await Promise.all(fleet.all().map((host) => host.samples()))).flat()
      const at = (this.#answered = clock.elapsed())
      const seen = new Set(samples.map(({ capsuleId }) => capsuleId))
      for (const id of this.#last.keys()) if (!seen.has(id)) this.#last.delete(id)
      for (const sample of samples) this.#take(sample, at)
      this.#heard(true)
    } catch (err) {
      log.warn({ err }, 'the host did not say what capsules use')
      this.#heard(false)
    }
    this.#isAsking = false
  }

  #take({ capsuleId: id, cpuMs, memoryBytes, diskBytes }: CapsuleSample, at: number): void {
    const last = this.#last.get(id)
    this.#last.set(id, { at, cpuMs })
    const capsule = this.running.get(id)
    // It takes two to say how busy it was in between; and one that was resumed begins anew.
    if (!capsule || !last || cpuMs < last.cpuMs || at <= last.at) return
    const share = (cpuMs - last.cpuMs) / ((at - last.at) * capsule.vcpus)
    const cpuPct = Math.min(100, Math.max(0, share * 100))
    const point = { at: Math.floor(this.context.clock.now() / 1000), cpuPct, memBytes: memoryBytes, diskBytes }
    append(this.#fine, id, point)
    append(this.#open, id, point)
  }

  /** Forgets single answers that are too old, or of a clock that was set back since. */
  #forget(now: number): void {
    for (const [id, points] of this.#fine) {
      const first = points.findIndex(({ at }) => at >= now - FINE_SEC && at <= now)
      if (first === -1) this.#fine.delete(id)
      else points.splice(0, first)
    }
  }

  /** Ends the steps that were over by then; so are those of a clock that was set back since. */
  #close(before: number): void {
    for (const [id, points] of this.#open) {
      const left = points.findIndex(({ at }) => at >= before && at < before + STEP_SEC)
      const over = points.splice(0, left === -1 ? points.length : left)
      for (const mean of meansOver(over, STEP_SEC)) this.#waiting.push({ capsuleId: id, ...mean })
      if (points.length === 0) this.#open.delete(id)
    }
    this.#waiting.splice(0, this.#waiting.length - MOST_WAITING)
  }

  /** Writes down the means that wait, in one transaction. */
  #write(): Promise<void> {
    this.#flushing = this.#flushing.then(async () => {
      const samples = [...this.#waiting]
      if (samples.length === 0) return
      const { store, log } = this.context
      try {
        await store.transaction(({ meter }) => meter.addSamples(samples))
        const written = new Set(samples)
        this.#waiting = this.#waiting.filter((sample) => !written.has(sample))
      } catch (err) {
        log.error({ err }, 'what capsules use could not be written down; it is tried again')
      }
    })
    return this.#flushing
  }
}

function append(points: Map<string, Point[]>, id: string, point: Point): void {
  const there = points.get(id)
  if (there) there.push(point)
  else points.set(id, [point])
}
