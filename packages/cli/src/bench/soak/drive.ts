/** Drives a server for a time, and counts. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Wrenn } from 'wrenn'
import { Random } from '../random.js'
import { audit } from './audit.js'
import { TEMPLATE } from '../lab.js'
import { EventLog } from './event-log.js'
import { FaultState } from './fault-state.js'
import { makeFaults, type FaultCounts } from './faults.js'
import { clearAll } from './leftovers.js'
import { Model } from './model.js'
import { kindsOf, type Outcome } from './report.js'
import type { Run } from './run.js'
import type { Subject } from './subject.js'
import { Tally } from './tally.js'
import { quarters, VitalsLog, vitalsOf } from './vitals.js'
import { Workers } from './worker.js'

const TEMPLATES = 6
/** The server is killed in the first half of the time alone. */
const STORM = 0.5
const TELL_MS = 60_000

export interface SoakPlan {
  /** It ends when both are reached. */
  minutes: number
  operations: number
  /** The most at once. */
  capsules: number
  /** How many operations are under way at once. */
  workers: number
  /** Seconds; 0: no faults. */
  faultEvery: number
  seed: number
  /** How long nothing is done before descriptors are counted, in milliseconds: connections that are not used close by then. */
  restMs: number
  tell: (text: string) => void
  signal: AbortSignal
}

export interface Soaked {
  subject: Subject
  client: Wrenn
}

export async function soakSubject({ subject, client }: Soaked, plan: SoakPlan): Promise<Omit<Outcome, 'left'>> {
  const faults = new FaultState()
  const events = new EventLog(client)
  const tally = new Tally(faults)
  const model = new Model({ capsules: plan.capsules, templates: TEMPLATES })
  const run: Run = { client, model, random: new Random(plan.seed), tally, faults, events }
  const began = performance.now()
  try {
    await warmUp(client)
    const first = await atRest(subject, plan)
    const { counts, vitals } = await work(run, subject, plan)
    const operations = tally.operations
    await audit(run, tally.errors.size > 0)
    await clearAll(client, subject.dataDir)
    const last = await atRest(subject, plan)
    return {
      ...{ seed: plan.seed, minutes: (performance.now() - began) / 60_000, operations },
      ...{ kinds: kindsOf(tally), errors: [...tally.errors.values()], faults: counts, wrong: tally.wrong },
      events: { read: events.count, repeated: events.repeated },
      descriptors: first !== undefined && last !== undefined ? { first, last } : undefined,
      memory: quarters(vitals),
    }
  } finally {
    await events.close()
  }
}

/** Until time and operations are reached, or the signal aborts. */
async function work(run: Run, subject: Subject, plan: SoakPlan) {
  const { minutes, operations, faultEvery, signal, tell } = plan
  const workers = new Workers(run)
  const over = new AbortController()
  const [began, ms] = [performance.now(), minutes * 60_000]
  const stormUntil = began + ms * STORM
  const vitals = new VitalsLog(() => subject.pid, stormUntil)
  const look = () => {
    const isDone = performance.now() - began >= ms && run.tally.operations >= operations
    if (isDone || signal.aborted) over.abort()
  }
  const looking = setInterval(look, 1000)
  const telling = setInterval(() => tell(lineOf(run, performance.now() - began)), TELL_MS)
  signal.addEventListener('abort', look)
  const faulty: Promise<FaultCounts> =
    faultEvery > 0
      ? makeFaults(run, { subject, workers, everyMs: faultEvery * 1000, stormUntil }, over.signal)
      : Promise.resolve({ serverKills: 0, vmmKills: 0 })
  try {
    // A fault that is under way is seen through before the workers stop.
    const stopped = Promise.all([faulty, aborted(over.signal)]).finally(() => workers.stop())
    const [[counts]] = await Promise.all([stopped, workers.work(plan.workers)])
    return { counts, vitals: vitals.all }
  } finally {
    clearInterval(looking)
    clearInterval(telling)
    signal.removeEventListener('abort', look)
    over.abort()
    vitals.stop()
  }
}

function lineOf({ tally, model }: Run, ms: number): string {
  const errors = [...tally.errors.values()].reduce((sum, { count }) => sum + count, 0)
  const what = `${tally.operations} operations, ${model.capsules.size} capsules, ${model.templates.size} templates`
  return `${(ms / 60_000).toFixed(0)} min: ${what}, ${errors} errors, ${tally.wrong.length} wrong`
}

/** Whatever is opened once is open afterwards. */
async function warmUp(client: Wrenn): Promise<void> {
  const capsule = await client.capsules.create({ template: TEMPLATE })
  await capsule.commands.run('echo ready')
  const template = await capsule.createSnapshot()
  await (await client.capsules.create({ template: template.name })).destroy()
  await template.delete()
}

/** How many descriptors the server has when nothing goes on. */
async function atRest({ pid }: Subject, { restMs }: SoakPlan): Promise<number | undefined> {
  await delay(restMs)
  return (await vitalsOf(pid))?.descriptors
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
