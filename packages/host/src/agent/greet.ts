/** The first words with a guest's agent: after a boot, and after a restore. */
import { randomBytes } from 'node:crypto'
import { isProblem, Problem, renewables, type Renewal } from '@wrenn/wire'
import type { AgentChannel } from './channel.js'
import { healthSchema, PROTOCOL, renewedSchema, type AgentHealth } from './shapes.js'

/** What each start renews, and without which it fails. */
const mustRenew = ['random', 'clock', 'hostname', 'machine_id', 'identity']
const SEED_BYTES = 64
const RENEW_MS = 10_000

/** Asks a guest's agent for its versions. */
export async function askHealth(channel: AgentChannel, signal: AbortSignal): Promise<AgentHealth> {
  const health = await channel.json({ method: 'GET', path: '/v1/health', signal }, healthSchema)
  if (health.protocol !== PROTOCOL) {
    throw new Problem(
      'agent_error',
      `The capsule's agent speaks protocol ${health.protocol}, this server ${PROTOCOL}.`,
      {
        hint: 'Take the snapshot again from a capsule that was started by this version.',
      },
    )
  }
  return health
}

export interface Identity {
  capsuleId: string
  template: string
}

/**
 * Makes a restored guest a machine of its own: fresh randomness, the present time, a name. Fails unless the agent
 * confirms every part.
 */
export async function renew(channel: AgentChannel, { capsuleId, template }: Identity): Promise<Renewal> {
  const json = {
    seed: randomBytes(SEED_BYTES).toString('base64'),
    unix_time_ns: String(BigInt(Date.now()) * 1_000_000n),
    hostname: capsuleId,
    machine_id: randomBytes(16).toString('hex'),
    capsule_id: capsuleId,
    template,
  }
  const signal = AbortSignal.timeout(RENEW_MS)
  const { renewed } = await channel.json({ method: 'POST', path: '/v1/renew', json, signal }, renewedSchema)
  const missing = mustRenew.filter((part) => !renewed.includes(part))
  if (missing.length > 0) throw new Problem('agent_error', `The capsule did not renew its ${missing.join(', ')}.`)
  const known = renewables.filter((part) => renewed.includes(part))
  return { at: new Date().toISOString(), renewed: known, clock_offset_ms: 0, hooks: [] }
}

/** Gets a guest ready for a capture: what it holds back of its file systems is written. */
export async function prepare(channel: AgentChannel, ms: number): Promise<void> {
  try {
    await channel.done({ method: 'POST', path: '/v1/prepare', signal: AbortSignal.timeout(ms) })
  } catch (error) {
    if (isProblem(error)) throw error
    throw new Problem('agent_error', `The capsule did not get ready for the capture in ${ms} ms.`, { cause: error })
  }
}
