import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { ErrorCode } from '@wrenn/wire'
import type { Context } from '../context.js'
import type { Events } from '../events/events.js'
import type { Sampler } from './sampler.js'

const BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]

type Outcome = 'success' | 'error'

/** A request that was answered. */
export interface Answered {
  method: string
  /** The route's path, with its parameters unfilled. */
  route: string
  status: number
  seconds: number
  /** What it failed with. */
  code?: ErrorCode | undefined
}

/** What operators watch a server by, in the text format of Prometheus. Labels name neither teams nor capsules. */
export class Telemetry {
  readonly #registry = new Registry()
  readonly #requests = this.#counter('wrenn_http_requests_total', 'Requests that were answered.', [
    'method',
    'route',
    'status',
  ])
  readonly #requestSeconds = this.#histogram('wrenn_http_request_duration_seconds', 'Until the answer was sent.', [
    'method',
    'route',
  ])
  readonly #errors = this.#counter('wrenn_errors_total', 'Error answers, by their code.', ['code'])
  readonly #operations = this.#counter('wrenn_operations_total', 'What was done with capsules and templates.', [
    'operation',
    'outcome',
  ])
  readonly #operationSeconds = this.#histogram('wrenn_operation_duration_seconds', 'How long it took.', ['operation'])

  constructor(context: Context, parts: { events: Events; sampler: Sampler }) {
    this.#gauges(context, parts)
    this.#roomOf(context)
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE

  /** An operation begins. @returns what is to be called at its end */
  begin(operation: string): (outcome: Outcome) => void {
    const begun = performance.now()
    return (outcome) => this.ended(operation, outcome, (performance.now() - begun) / 1000)
  }

  ended(operation: string, outcome: Outcome, seconds: number): void {
    this.#operations.inc({ operation, outcome })
    this.#operationSeconds.observe({ operation }, seconds)
  }

  answered({ method, route, status, seconds, code }: Answered): void {
    this.#requests.inc({ method, route, status })
    this.#requestSeconds.observe({ method, route }, seconds)
    if (code) this.#errors.inc({ code })
  }

  /** Everything as text. */
  async text(): Promise<string> {
    return `${await ofProcess().metrics()}\n${await this.#registry.metrics()}`
  }

  /** What the host has room for; nothing where it does not answer. */
  #roomOf({ fleet }: Context): void {
    const figures = {
      wrenn_host_memory_free_bytes: ['Memory that capsules may still take.', 'memoryFreeBytes'],
      wrenn_host_memory_reserve_bytes: ['Below this, no capsule is started.', 'memoryReserveBytes'],
      wrenn_host_memory_promised_bytes: ['What running capsules may come to use together.', 'memoryPromisedBytes'],
      wrenn_host_memory_most_promised_bytes: ['Beyond this, no capsule is started.', 'memoryMostPromisedBytes'],
      wrenn_host_disk_free_bytes: ['Space that is free in the data directory.', 'diskFreeBytes'],
      wrenn_host_disk_reserve_bytes: ['Below this, nothing is created or captured.', 'diskReserveBytes'],
      wrenn_host_starts_waiting: ['Starts that wait for their turn.', 'startsWaiting'],
      wrenn_host_captures_waiting: ['Captures that wait for their turn.', 'capturesWaiting'],
    } as const
    for (const [name, [help, figure]] of Object.entries(figures))
      this.#gauge(name, help, async (gauge) => {
        const room = await fleet
          .pick()
          .room()
          .catch(() => undefined)
        if (room) gauge.set(room[figure])
      })
  }

  #gauges({ store }: Context, { events, sampler }: { events: Events; sampler: Sampler }): void {
    this.#gauge('wrenn_capsules', 'Capsules that are neither stopped nor in error.', async (gauge) => {
      for (const { status, count } of await store.capsules.countAlive()) gauge.set({ status }, count)
    })
    this.#gauge('wrenn_template_versions', 'Versions that can be started.', async (gauge) =>
      gauge.set((await store.versions.totals()).count),
    )
    this.#gauge('wrenn_template_bytes', 'What they alone occupied when they were made.', async (gauge) =>
      gauge.set((await store.versions.totals()).bytes),
    )
    this.#gauge('wrenn_event_subscribers', 'Who reads events now.', (gauge) => gauge.set(events.readers))
    this.#gauge('wrenn_sampler_age_seconds', 'Since the host said what capsules use; while any runs.', (gauge) => {
      if (sampler.age !== undefined) gauge.set(sampler.age)
    })
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] })
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[]): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets: BUCKETS, registers: [this.#registry] })
  }

  #gauge(name: string, help: string, collect: (gauge: Gauge<'status'>) => unknown): void {
    new Gauge({
      ...{ name, help, labelNames: ['status'] as const, registers: [this.#registry] },
      async collect() {
        this.reset()
        await collect(this)
      },
    })
  }
}

let ofAll: Registry | undefined

/** The metrics of the process are those of all servers in it, and are measured once. */
function ofProcess(): Registry {
  if (ofAll) return ofAll
  ofAll = new Registry()
  collectDefaultMetrics({ register: ofAll })
  return ofAll
}
