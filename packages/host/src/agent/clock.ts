/**
 * A guest's wall clock against ours, as NTP does it: what the guest says is compared with the middle of when it was asked
 * and when its answer came.
 */
import { Problem } from '@wrenn/wire'
import type { AgentChannel } from './channel.js'
import { clockSchema } from './shapes.js'

/** How far a clock may be off when a capsule starts, in milliseconds, the uncertainty of the measure included. */
const MOST_OFF_MS = 100
/** How often it is set until it is right. */
const TRIES = 4
const NS_PER_MS = 1_000_000

/** How far a clock is ahead of ours (negative: behind), give or take; in milliseconds. */
export interface Offset {
  offsetMs: number
  uncertaintyMs: number
}

/** How a clock is put right: at once, or by running a little faster or slower for a while. */
export type How = 'step' | 'slew'

interface Exchange {
  /** When it was asked and answered, by our clock; Unix milliseconds. */
  sent: number
  received: number
  /** When the guest got the question, and when it answered, by its own. */
  arrived: number
  answered: number
}

/** The offset that follows from one question and its answer. */
export function offsetOf({ sent, received, arrived, answered }: Exchange): Offset {
  return {
    offsetMs: (arrived - sent + (answered - received)) / 2,
    uncertaintyMs: Math.max(0, received - sent - (answered - arrived)) / 2,
  }
}

/** The milliseconds in what a guest says in nanoseconds. */
export function msOf(nanoseconds: string): number {
  return Number(nanoseconds) / NS_PER_MS
}

/** The nanoseconds in milliseconds, to the microsecond, as a guest wants them. */
export function nsOf(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n)
}

/** Measures a guest's clock. */
export async function measureClock(channel: AgentChannel, signal: AbortSignal): Promise<Offset> {
  const sent = Date.now()
  const told = await channel.json({ method: 'GET', path: '/v1/clock', signal }, clockSchema)
  const arrived = msOf(told.unix_time_ns)
  return offsetOf({ sent, received: Date.now(), arrived, answered: arrived })
}

/** Puts a guest's clock right by so many milliseconds. */
export async function correctClock(
  channel: AgentChannel,
  { byMs, how }: { byMs: number; how: How },
  signal: AbortSignal,
): Promise<void> {
  await channel.done({ method: 'POST', path: '/v1/clock', json: { by_ns: nsOf(byMs), how }, signal })
}

/**
 * Sees to it that a clock that was just set is right, and tells how far it is off.
 *
 * @param first what is known of it
 * @throws {Problem} `agent_error` when it cannot be made right
 */
export async function settleClock(channel: AgentChannel, first: Offset, signal: AbortSignal): Promise<number> {
  let measured = first
  for (let tries = 0; ; tries++) {
    const { offsetMs, uncertaintyMs } = measured
    if (Math.abs(offsetMs) + uncertaintyMs <= MOST_OFF_MS) return offsetMs
    if (tries === TRIES) break
    await correctClock(channel, { byMs: -offsetMs, how: 'step' }, signal)
    measured = await measureClock(channel, signal)
  }
  // On a machine that is too busy for a good measure, what was measured has to do.
  if (Math.abs(measured.offsetMs) <= MOST_OFF_MS) return measured.offsetMs
  throw new Problem('agent_error', `The capsule's clock could not be set: it is ${Math.round(measured.offsetMs)} ms off.`)
}
