import { z } from 'zod'
import { capsuleEnvsSchema, defaulted, labelsSchema, optional, templateRefSchema, timestampSchema } from './common.js'
import { idSchema } from './ids.js'
import { networkBodySchema, networkSchema } from './network.js'
import { renewalSchema } from './renewal.js'

/** The states a client may see. A capture or a pause under way shows what the capsule still is. */
export const capsuleStatuses = [
  'pending',
  'starting',
  'running',
  'paused',
  'hibernated',
  'stopped',
  'missing',
  'error',
] as const
export type CapsuleStatus = (typeof capsuleStatuses)[number]

/** What a capsule is when nothing is said. */
export const capsuleDefaults = { template: 'minimal', vcpus: 1, memoryMb: 512, timeoutSec: 0 } as const

export const createCapsuleSchema = z.object({
  template: defaulted(templateRefSchema, capsuleDefaults.template).describe(
    'The name of a template, or one version of it: "name@3".',
  ),
  vcpus: defaulted(z.int().min(1), capsuleDefaults.vcpus).describe('Virtual CPUs. A snapshot keeps its own number.'),
  memory_mb: defaulted(z.int().min(1), capsuleDefaults.memoryMb).describe('Memory in MiB. A snapshot keeps its own.'),
  timeout_sec: defaulted(z.int().min(0).max(31_536_000), capsuleDefaults.timeoutSec).describe(
    'Seconds without activity after which the capsule is paused; 0 means never.',
  ),
  metadata: optional(labelsSchema).describe('Your labels: at most 20.'),
  envs: optional(capsuleEnvsSchema).describe(
    'Environment variables of every command and terminal in it. They are kept outside: no template has them.',
  ),
  network: optional(networkSchema).describe('What it may reach; default: the internet.'),
  proxy_auth: optional(z.boolean()).describe(
    'Whether its ports ask for a token of whoever comes through the proxy. The default is a setting of the server.',
  ),
})
export type CreateCapsule = z.output<typeof createCapsuleSchema>

/** The most capsules that one fork makes. */
export const MOST_FORKS = 100

export const forkSchema = z.object({
  count: defaulted(z.int().min(1).max(MOST_FORKS), 1).describe('How many capsules go on from where this one is.'),
  envs: optional(capsuleEnvsSchema).describe('In the place of those of the source; default: the same.'),
  network: optional(networkSchema).describe('In the place of what the source may reach; default: the same.'),
})
export type ForkCapsule = z.output<typeof forkSchema>

export const capsuleSchema = z.object({
  id: idSchema('capsule'),
  status: z.enum(capsuleStatuses),
  template: z.string().describe('The name as it was given at creation.'),
  vcpus: z.int(),
  memory_mb: z.int(),
  timeout_sec: z.int(),
  created_at: timestampSchema,
  started_at: timestampSchema.optional(),
  last_active_at: timestampSchema.optional(),
  last_updated: timestampSchema,
  metadata: z.record(z.string(), z.string()).optional(),
  reason: z.string().optional().describe('Why it is in error or missing.'),
  proxy_token: z
    .string()
    .regex(/^[0-9a-f]{48}$/)
    .optional()
    .describe('What its ports ask for: as the header X-Wrenn-Token, or once as the query parameter wrenn_token.'),
  network: networkBodySchema.optional().describe('What it may reach; absent where the host gives no network.'),
  renewal: renewalSchema
    .optional()
    .describe(
      'What its last start or resume made its own; only when one capsule is asked for, started, resumed or given another network.',
    ),
  disk_size_mb: z.int().describe('The most that the disk can hold, in MiB.'),
  disk_used_mb: z
    .int()
    .optional()
    .describe('What the capsule itself has written, in MiB; only when one capsule is asked for.'),
})
export type CapsuleBody = z.infer<typeof capsuleSchema>
