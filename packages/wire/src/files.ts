import { z } from 'zod'
import { defaulted, guestPathSchema } from './common.js'

/** The most that the plain write call takes, in bytes. The streaming pair has no limit. */
export const MAX_PLAIN_WRITE = 100 * 1024 * 1024

export const pathSchema = z.object({ path: guestPathSchema })
export const listFilesSchema = z.object({
  path: guestPathSchema,
  depth: defaulted(z.int().min(0).max(100), 1).describe('How many levels; 0 and 1 both mean the immediate children.'),
})

export const fileTypes = ['file', 'directory', 'symlink'] as const

export const fileEntrySchema = z.object({
  name: z.string(),
  path: z.string(),
  type: z.enum(fileTypes),
  size: z.int(),
  mode: z.int().describe('Permission bits, decimal.'),
  permissions: z.string().describe('As ls shows them: "-rw-r--r--".'),
  owner: z.string(),
  group: z.string(),
  modified_at: z.int().describe('Unix seconds.'),
  symlink_target: z.string().optional(),
})
export type FileEntry = z.infer<typeof fileEntrySchema>

export const fileListSchema = z.object({ entries: z.array(fileEntrySchema) })

export const entrySchema = z.object({ entry: fileEntrySchema })

export const moveFileSchema = z.object({
  from: guestPathSchema,
  to: guestPathSchema.describe('Its new path; missing parents are made.'),
  overwrite: defaulted(z.boolean(), false).describe('Whether what is there is replaced.'),
})

export const watchFilesSchema = z.object({
  path: guestPathSchema.describe('A directory.'),
  recursive: defaulted(z.boolean(), false).describe('Whether the directories below it are watched too.'),
})

/** A change in a directory that is watched. */
export const fileChangeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['created', 'modified', 'removed']), path: z.string() }),
  z.object({ type: z.literal('moved'), path: z.string(), from: z.string() }),
  z.object({ type: z.literal('overflow') }).describe('Changes were missed; what is there has to be looked up.'),
])
export type FileChange = z.infer<typeof fileChangeSchema>
