/** What happens to a team's capsules and templates, as told by the event stream. */
import { z } from 'zod'
import { capsuleSchema } from './capsules.js'
import { timestampSchema } from './common.js'

export const eventKinds = [
  'connected',
  'capsule.create',
  'capsule.pause',
  'capsule.resume',
  'capsule.destroy',
  'capsule.state.changed',
  'template.snapshot.create',
  'template.snapshot.delete',
  'host.up',
  'host.down',
] as const
export type EventKind = (typeof eventKinds)[number]

export const eventSchema = z.object({
  event: z.enum(eventKinds),
  outcome: z.enum(['success', 'error']).optional().describe('Of what somebody did.'),
  resource: z.object({ id: z.string(), type: z.string() }),
  actor: z.object({
    type: z.enum(['user', 'api_key', 'system']),
    id: z.string().optional(),
    name: z.string().optional(),
  }),
  metadata: z.record(z.string(), z.string()).optional().describe('Of a change of state: `from` and `to`.'),
  error: z.string().optional().describe('Why it failed.'),
  sandbox: capsuleSchema.optional().describe('The capsule, of capsule events.'),
  timestamp: timestampSchema,
})
export type EventBody = z.infer<typeof eventSchema>
