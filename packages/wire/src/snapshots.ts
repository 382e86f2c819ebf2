import { z } from 'zod'
import { defaulted, nameSchema, optional, timestampSchema } from './common.js'
import { idSchema } from './ids.js'

export const templateTypes = ['base', 'snapshot'] as const

export const createSnapshotSchema = z.object({
  sandbox_id: idSchema('capsule').describe('The running capsule to capture.'),
  name: optional(nameSchema).describe('Absent or null: "template-" and 8 hex digits.'),
  keep_source: defaulted(z.boolean(), false).describe('Leave the capsule running instead of destroying it.'),
})
export type CreateSnapshot = z.output<typeof createSnapshotSchema>

export const templateSchema = z.object({
  name: z.string(),
  type: z.enum(templateTypes),
  vcpus: z.int().nullable().describe('null for a base template: it takes any size.'),
  memory_mb: z.int().nullable().describe('null for a base template: it takes any size.'),
  size_bytes: z.int().describe('Bytes that this template occupies on disk.'),
  created_at: timestampSchema,
  platform: z.boolean().describe('Comes with the platform; every team sees it.'),
  protected: z.boolean().describe('Cannot be overwritten or deleted.'),
  metadata: z.record(z.string(), z.string()).describe('What made it: kernel, vmm and agent versions.'),
  version: z.int().describe('Counts the snapshots taken under this name, from 1.'),
  parent: z.string().optional().describe('The template that the captured capsule was started from.'),
})
export type TemplateBody = z.infer<typeof templateSchema>
