import { z } from 'zod'
import { defaulted, timestampSchema } from './common.js'
import { idSchema, randomHex } from './ids.js'

export const KEY_PREFIX = 'wrn_'
/** The form of an API key: `wrn_` and 32 hex digits. */
export const keyForm = /^wrn_[0-9a-f]{32}$/
/** How many characters of a key may be kept and shown. */
export const SHOWN_KEY_CHARACTERS = 10

/** A new random API key, 128 bits. */
export function newKey(): string {
  return KEY_PREFIX + randomHex(16)
}

/** What a key may do; each includes those before it. `read` changes nothing and enters no capsule. */
export const keyScopes = ['read', 'run', 'admin'] as const
export type KeyScope = (typeof keyScopes)[number]

export const createKeySchema = z.object({
  name: defaulted(z.string().min(1).max(64), 'key').describe('What it is for.'),
})

export const keySchema = z.object({
  id: idSchema('key'),
  name: z.string(),
  key_prefix: z.string().describe('The first characters of the key, for recognising it.'),
  created_at: timestampSchema,
  last_used: timestampSchema.optional(),
})
export type KeyBody = z.infer<typeof keySchema>

export const createdKeySchema = keySchema.extend({ key: z.string().regex(keyForm).describe('Shown this once.') })
export type CreatedKeyBody = z.infer<typeof createdKeySchema>

export const healthSchema = z.object({ status: z.literal('ok'), version: z.string() })
