import { z } from 'zod'
import { defaulted, nameSchema, optional, timestampSchema } from './common.js'
import { idSchema } from './ids.js'
import { hookSchema } from './renewal.js'

export const templateTypes = ['base', 'snapshot'] as const

/** How many versions of a template are kept when nothing is said: the present one and those before it. */
export const KEPT_VERSIONS = 3

export const createSnapshotSchema = z.object({
  sandbox_id: idSchema('capsule').describe('The running capsule to capture.'),
  name: optional(nameSchema).describe('Absent or null: "template-" and 8 hex digits.'),
  keep_source: defaulted(z.boolean(), false).describe('Leave the capsule running instead of destroying it.'),
  keep_versions: optional(z.int().min(1).max(1000)).describe(
    `How many versions of this template are kept, the present one included. Holds until another is given; ${KEPT_VERSIONS} at first.`,
  ),
  expires_in: optional(z.int().min(1).max(315_360_000)).describe(
    'Seconds after which a version that nothing was started from is deleted; the present one too, as the last of all, and then the template is gone. Holds until another is given; never at first.',
  ),
})
export type CreateSnapshot = z.output<typeof createSnapshotSchema>

export const templateSchema = z.object({
  name: z.string(),
  type: z.enum(templateTypes),
  vcpus: z.int().nullable().describe('null for a base template: it takes any size.'),
  memory_mb: z.int().nullable().describe('null for a base template: it takes any size.'),
  size_bytes: z.int().describe('Bytes that this template alone brought to the disk.'),
  created_at: timestampSchema,
  platform: z.boolean().describe('Comes with the platform; every team sees it.'),
  protected: z.boolean().describe('Cannot be overwritten or deleted.'),
  metadata: z.record(z.string(), z.string()).describe('What made it: kernel, vmm and agent versions.'),
  version: z.int().describe('Counts the snapshots taken under this name, from 1.'),
  parent: z.string().optional().describe('The template that the captured capsule was started from.'),
  parent_version: z.int().optional().describe('The version of the parent, while it is known.'),
  source: idSchema('capsule').optional().describe('The capsule that was captured.'),
  last_used_at: timestampSchema.optional().describe('When something was last started from it.'),
  keep_versions: z.int().optional().describe('How many versions are kept.'),
  expires_in: z.int().optional().describe('Seconds without use after which a version is deleted.'),
  damage: z.string().optional().describe('What is wrong with its files; it is not started.'),
  shared_bytes: z.int().optional().describe('Bytes that it needs and others use too; only when one is asked for.'),
  hooks: z
    .array(hookSchema)
    .optional()
    .describe('What /etc/wrenn/before-snapshot.d did, in its order; only in the answer to the snapshot.'),
  unique_bytes: z
    .int()
    .optional()
    .describe('Bytes that nothing else uses: what its deletion would free now; only when one is asked for.'),
})
export type TemplateBody = z.infer<typeof templateSchema>

export const versionSchema = templateSchema.extend({
  current: z.boolean().describe('Whether the name means this version.'),
})
export type VersionBody = z.infer<typeof versionSchema>

export const rollbackSchema = z.object({
  version: optional(z.int().min(1)).describe('The version that the name is to mean; default: the one before.'),
})
export type Rollback = z.output<typeof rollbackSchema>

export const verifySchema = z.object({
  version: optional(z.int().min(1)).describe('Default: the present one.'),
})

export const verificationSchema = z.object({
  name: z.string(),
  version: z.int(),
  ok: z.boolean(),
  parts: z.array(
    z.object({
      name: z.string(),
      bytes: z.int(),
      ok: z.boolean(),
      problem: z.string().optional(),
    }),
  ),
})
export type VerificationBody = z.infer<typeof verificationSchema>
