/** What each start makes a capsule's own, and what programs inside did about it. */
import { z } from 'zod'
import { timestampSchema } from './common.js'

/** What a start renews. `ssh_host_keys` only where there are some; every other part or the start fails. */
export const renewables = [
  'random',
  'clock',
  'hostname',
  'machine_id',
  'boot_id',
  'hosts',
  'identity',
  'ssh_host_keys',
] as const
export type Renewable = (typeof renewables)[number]

export const hookSchema = z.object({
  name: z.string().describe('The name of the executable.'),
  exit_code: z.int().optional().describe('Absent when it could not be started or did not end in time; -1: a signal.'),
  timed_out: z.boolean(),
  duration_ms: z.int(),
  output: z.string().describe('The end of what it printed, at most 4 KiB.'),
})
/** What came of an executable in /etc/wrenn/before-snapshot.d or /etc/wrenn/after-restore.d. */
export type HookResult = z.infer<typeof hookSchema>

export const renewalSchema = z.object({
  at: timestampSchema,
  renewed: z.array(z.enum(renewables)),
  clock_offset_ms: z.number().describe('How far its clock was off right after it was set, in milliseconds.'),
  hooks: z.array(hookSchema).describe('What /etc/wrenn/after-restore.d did, in its order.'),
})
export type Renewal = z.infer<typeof renewalSchema>
