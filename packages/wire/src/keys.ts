import { z } from 'zod'
import { defaulted, optional, timestampSchema } from './common.js'
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

/** Whether a key of the scope `has` may do what asks for `needed`. */
export function includesScope(has: KeyScope, needed: KeyScope): boolean {
  return keyScopes.indexOf(has) >= keyScopes.indexOf(needed)
}

/** The longest that a key which expires may last, in seconds: ten years. */
const LONGEST_LIFE = 315_360_000

const scopeSchema = z
  .enum(keyScopes)
  .describe('What it may do: `read` (look at things), `run` (use capsules and templates too) or `admin` (keys too).')

export const createKeySchema = z
  .object({
    name: defaulted(z.string().min(1).max(64), 'key').describe('What it is for.'),
    scope: defaulted(scopeSchema, 'admin'),
    expires_in: optional(z.number().int().min(1).max(LONGEST_LIFE)).describe('After how many seconds it ends.'),
    expires_at: optional(timestampSchema.meta({ examples: ['2099-01-02T03:04:05.678Z'] })).describe(
      'When it ends. Without either it does not.',
    ),
  })
  .refine(
    (wanted) => wanted.expires_in === undefined || wanted.expires_at === undefined,
    'expires_in and expires_at cannot be set both',
  )
export type CreateKey = z.output<typeof createKeySchema>

export const keySchema = z.object({
  id: idSchema('key'),
  name: z.string(),
  key_prefix: z.string().describe('The first characters of the key, for recognising it.'),
  scope: scopeSchema,
  created_at: timestampSchema,
  expires_at: timestampSchema.optional().describe('When it ends, or has ended.'),
  last_used: timestampSchema.optional().describe('Exact to a minute.'),
})
export type KeyBody = z.infer<typeof keySchema>

export const createdKeySchema = keySchema.extend({ key: z.string().regex(keyForm).describe('Shown this once.') })
export type CreatedKeyBody = z.infer<typeof createdKeySchema>

export const healthSchema = z.object({ status: z.literal('ok'), version: z.string() })
