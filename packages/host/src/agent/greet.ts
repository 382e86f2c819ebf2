/** The first words with a restored guest's agent. */
import { createHash, randomBytes } from 'node:crypto'
import { Problem, renewables, type Renewal } from '@wrenn/wire'
import type { AgentChannel } from './channel.js'
import { msOf, nsOf, offsetOf, settleClock } from './clock.js'
import { runAfterRestore } from './prepare.js'
import { renewedSchema } from './shapes.js'

/** What each start renews, and without which it fails. SSH host keys are only where there are some: that fails by itself. */
const mustRenew = renewables.filter((part) => part !== 'ssh_host_keys')
const SEED_BYTES = 64
const RENEW_MS = 30_000

export interface Identity {
  capsuleId: string
  template: string
}

/**
 * Makes a restored guest a machine of its own: fresh randomness, the present time, a name, keys; and lets its programs
 * take part. Fails unless the agent confirms every part, and the clock is right.
 */
export async function renew(channel: AgentChannel, { capsuleId, template }: Identity): Promise<Renewal> {
  const signal = AbortSignal.timeout(RENEW_MS)
  const sent = Date.now()
  const json = {
    seed: randomBytes(SEED_BYTES).toString('base64'),
    unix_time_ns: nsOf(sent),
    hostname: capsuleId,
    machine_id: machineIdOf(capsuleId),
    capsule_id: capsuleId,
    template,
  }
  const told = await channel.json({ method: 'POST', path: '/v1/renew', json, signal }, renewedSchema)
  const received = Date.now()
  const missing = mustRenew.filter((part) => !told.renewed.includes(part))
  if (missing.length > 0 || told.unix_time_ns === undefined) throw notRenewed(missing)
  // It took the time of the question for its own when that arrived.
  const first = offsetOf({ sent, received, arrived: sent, answered: msOf(told.unix_time_ns) })
  const offsetMs = await settleClock(channel, first, signal)
  return {
    at: new Date().toISOString(),
    renewed: renewables.filter((part) => told.renewed.includes(part)),
    clock_offset_ms: Math.round(offsetMs * 10) / 10,
    hooks: told.has_hooks ? await runAfterRestore(channel) : [],
  }
}

/** The machine id of a capsule: its own for as long as it lives, and no other capsule's. */
function machineIdOf(capsuleId: string): string {
  return createHash('sha256').update(`machine id of ${capsuleId}`).digest('hex').slice(0, 32)
}

function notRenewed(missing: string[]): Problem {
  return new Problem('agent_error', `The capsule did not renew its ${missing.join(', ') || 'clock'}.`, {
    hint: 'Its template may be of an older version of this server: make it anew.',
  })
}
