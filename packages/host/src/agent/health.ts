import { Problem } from '@wrenn/wire'
import type { AgentChannel } from './channel.js'
import { healthSchema, PROTOCOL, type AgentHealth } from './shapes.js'

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
