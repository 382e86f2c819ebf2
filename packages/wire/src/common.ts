/** Pieces that several schemas share. */
import { z } from 'zod'
import { errorCodes } from './errors.js'

/** RFC 3339 in UTC with `Z`. */
export const timestampSchema = z.iso.datetime().meta({ examples: ['2026-01-02T03:04:05.678Z'] })

const LABEL = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/
const labelForm = 'must be 1 to 64 letters, digits, ".", "_" or "-", and begin with a letter or a digit'

/** A template's name. Case matters and nothing is trimmed. */
export const nameSchema = z
  .string()
  .regex(LABEL, labelForm)
  .meta({ examples: ['my-template'] })

/** What a capsule is started from: a template's name, or one version of it as `name@3`. */
export const templateRefSchema = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}(@[1-9][0-9]{0,8})?$/,
    `${labelForm}; a version may follow as "@" and its number`,
  )
  .meta({ examples: ['my-template', 'my-template@3'] })

/** Cuts `name@3` into its parts; without a version it is the present one that is meant. */
export function parseTemplateRef(ref: string): { name: string; version?: number } {
  const [name = '', version] = ref.split('@')
  return version === undefined ? { name } : { name, version: Number(version) }
}

/** A process's tag: like a name, but not digits alone, which would read as a pid. */
export const tagSchema = z
  .string()
  .regex(LABEL, labelForm)
  .regex(/[^0-9]/, 'must not be digits alone')

/** String-to-string labels: at most 20, keys like names, values up to 64 characters. */
export const labelsSchema = z
  .record(z.string().regex(LABEL, labelForm), z.string().max(64))
  .refine((labels) => Object.keys(labels).length <= 20, 'must have at most 20 keys')

/** Text that becomes a C string in the guest: no NUL. */
export const guestText = z.string().refine((text) => !text.includes('\0'), 'must not contain NUL characters')

/** A path in the guest; `~` and relative paths mean below /root. */
export const guestPathSchema = guestText
  .min(1)
  .max(4096)
  .meta({ examples: ['/root/notes.txt'] })

/** The most that all variables of a capsule may have together, names included, in bytes. Linux takes 128 KiB in one. */
const MOST_ENVS = 65_536

const utf8 = new TextEncoder()

/** Environment variables; a name has no "=" and is not empty. */
export const envsSchema = z.record(
  // Written so that every dialect of patterns reads it: the document shows it.
  // eslint-disable-next-line no-control-regex
  z.string().regex(/^[^=\x00]+$/, 'must be a variable name: not empty, without "=" and NUL'),
  guestText,
)

/** Environment variables of a whole capsule: bounded, since they are kept. */
export const capsuleEnvsSchema = envsSchema.refine(
  (envs) =>
    Object.entries(envs)
      .flat()
      .reduce((sum, text) => sum + utf8.encode(text).length, 0) <= MOST_ENVS,
  `must have at most ${MOST_ENVS} bytes in all`,
)

/** An optional request field: absent and `null` mean the same, as they do to the clients that exist. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** An optional request field with a default for absent and `null`. */
export function defaulted<T extends z.ZodType>(schema: T, value: z.output<T>) {
  return schema
    .nullish()
    .meta({ default: value })
    .transform((given) => given ?? value)
}

/** The body of every error answer. */
export const errorSchema = z.object({
  error: z.object({
    code: z.enum(errorCodes),
    message: z.string(),
    hint: z.string().optional().describe('What you can do about it.'),
    request_id: z.string().optional().describe("Also the X-Request-Id header; it is in the server's log."),
  }),
})
export type ErrorBody = z.infer<typeof errorSchema>
