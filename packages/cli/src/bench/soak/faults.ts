/** Faults now and then: the server is killed and started again, a capsule's vmm is killed. */
import { setTimeout as delay } from 'node:timers/promises'
import { audit } from './audit.js'
import type { Run } from './run.js'
import { assertIs } from './settle.js'
import type { Subject } from './subject.js'
import { Failed } from './tally.js'
import type { Workers } from './worker.js'

export interface FaultPlan {
  subject: Subject
  workers: Workers
  /** How long it is between two faults, in milliseconds, more or less. */
  everyMs: number
  /** Until when the server may be killed, as `performance.now` tells it: a calm rest shows what it loses over time. */
  stormUntil: number
}

/** How often each fault was. */
export interface FaultCounts {
  serverKills: number
  vmmKills: number
}

/** How long it may take until the death of a vmm is known, in milliseconds. */
const KNOWN_MS = 15_000

/** Does one fault after the other until the signal aborts. */
export async function makeFaults(run: Run, plan: FaultPlan, signal: AbortSignal): Promise<FaultCounts> {
  const counts: FaultCounts = { serverKills: 0, vmmKills: 0 }
  for (;;) {
    await waited(plan.everyMs * (0.5 + run.random.below(1000) / 1000), signal)
    if (signal.aborted) return counts
    if (performance.now() < plan.stormUntil && run.random.below(2) === 0) {
      counts.serverKills++
      await killServer(run, plan)
    } else if (await killVmm(run, plan)) counts.vmmKills++
  }
}

/** Kills the server in the middle of whatever it does, starts it again, and compares everything. */
async function killServer(run: Run, { subject, workers }: FaultPlan): Promise<void> {
  run.faults.down()
  await subject.crash()
  run.faults.up()
  await workers.hold()
  await audit(run, true)
  workers.goOn()
}

/** Kills the vmm of a capsule, which has to be in error soon after. @returns whether there was one */
async function killVmm(run: Run, { subject }: FaultPlan): Promise<boolean> {
  const { model, random, tally, events } = run
  const known = model.takeCapsule(random, false)
  if (!known) return false
  const { capsule } = known
  const told = events.becomes(capsule.id, 'error', KNOWN_MS)
  try {
    await Promise.all([told, subject.killVmm(capsule.id)])
    await assertIs(run, known, ['error'])
    await tally.timed('destroy after a fault', () => capsule.destroy())
  } catch (error) {
    if (!(error instanceof Failed)) tally.wrong.push(`${capsule.id} lost its vmm: ${String(error)}`)
  } finally {
    model.remove(known)
  }
  return true
}

/** Resolves after that time, or when the signal aborts. */
async function waited(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
