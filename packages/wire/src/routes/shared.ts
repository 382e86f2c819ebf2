/** What routes of several kinds share. */
import { z } from 'zod'
import { idSchema } from '../ids.js'

export const capsuleParams = z.object({ id: idSchema('capsule') })

/** What a start from a template may answer. */
export const starting = [
  'template_corrupt',
  'agent_error',
  'host_unavailable',
  'no_hosts_available',
  'insufficient_storage',
] as const

/** What every call into a running capsule may answer. */
export const inside = ['not_found', 'invalid_state', 'agent_error', 'host_unavailable'] as const
