/** What the agent says, parsed once here: the guest is not trusted. */
import { fileEntrySchema, hookSchema, Problem, processSchema, sessionIdSchema, type ErrorCode } from '@wrenn/wire'
import { z } from 'zod'

export const PROTOCOL = 2

export const healthSchema = z.object({ version: z.string().max(64), protocol: z.int(), kernel: z.string().max(256) })
export type AgentHealth = z.infer<typeof healthSchema>

/** Nanoseconds since 1970. */
const unixTimeSchema = z.string().regex(/^\d{1,19}$/)
export const clockSchema = z.object({ unix_time_ns: unixTimeSchema })
export const renewedSchema = z.object({
  renewed: z.array(z.string().max(64)).max(64),
  // An agent of before does not say these.
  unix_time_ns: unixTimeSchema.optional(),
  has_hooks: z.boolean().default(false),
})
/** Bounded more than what is told of it: 4 KiB that are no text become three times as much. */
const toldHookSchema = hookSchema.extend({
  name: z.string().min(1).max(255),
  duration_ms: z.int().min(0),
  output: z.string().max(3 * 4096),
})
export const hooksSchema = z.object({ hooks: z.array(toldHookSchema).max(64) })
export const startedSchema = z.object({
  id: sessionIdSchema,
  pid: z.int().min(1),
  tag: z.string().min(1).max(256).optional(),
})
export type Started = z.infer<typeof startedSchema>
export const positionSchema = startedSchema.extend({ offset: z.int().min(0), dropped: z.boolean() })
export const exitedSchema = z.object({
  exit_code: z.int(),
  signal: z.int().optional(),
  timed_out: z.boolean(),
  duration_ms: z.int().min(0),
})
export const processesSchema = z.object({ processes: listOf(processSchema, 4096) })
export const entriesSchema = z.object({ entries: listOf(fileEntrySchema, 200_000) })
export const entrySchema = z.object({ entry: fileEntrySchema })
/** A `content-length`. */
export const lengthSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)

/** A list. The first entry that is wrong is the last that is looked at: of a long list, each would have its complaint. */
function listOf<T extends z.ZodType>(entry: T, most: number) {
  return z
    .array(z.unknown())
    .max(most)
    .transform((entries, context): z.output<T>[] => {
      const found: z.output<T>[] = []
      for (const one of entries) {
        const { success, data } = entry.safeParse(one)
        if (!success) {
          context.addIssue('an entry of another shape')
          return z.NEVER
        }
        found.push(data)
      }
      return found
    })
}

/** Two paths of 4096 characters, which it names as `/root/…`, and words around them. */
const MOST_MESSAGE = 2 * 4096 + 1024
const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string().max(MOST_MESSAGE) }) })

/** What the agent's error codes are to a client. */
const codes: Record<string, ErrorCode> = {
  invalid: 'invalid_request',
  not_found: 'not_found',
  exists: 'conflict',
  is_directory: 'invalid_request',
  not_directory: 'invalid_request',
  not_executable: 'invalid_request',
  denied: 'invalid_request',
  no_space: 'insufficient_storage',
  too_large: 'too_large',
  closed: 'conflict',
}

/** What could be done about it, where the agent's words leave that open. */
const hints: Record<string, string> = {
  refused: 'Start what is to listen there, or wait until it does.',
  exhausted: 'End programs inside the capsule, or start one with more memory.',
}

/** What the agent has said, if it has that shape. @throws {Problem} `agent_error` */
export function parsed<T extends z.ZodType>(schema: T, text: Buffer | string): z.output<T> {
  const result = schema.safeParse(jsonOf(text))
  if (!result.success) throw agentProblem()
  return result.data
}

/**
 * The most values in an answer. Each takes many times its bytes in memory: without a bound, a few megabytes of brackets
 * would take gigabytes.
 */
const MOST_VALUES = 4_000_000
const [COMMA, BRACKET, BRACE] = [0x2c, 0x5b, 0x7b]

function hasTooManyValues(text: Buffer): boolean {
  if (text.length <= MOST_VALUES) return false
  let values = 0
  for (const byte of text) if (byte === COMMA || byte === BRACKET || byte === BRACE) values++
  return values > MOST_VALUES
}

function jsonOf(text: Buffer | string): unknown {
  if (typeof text !== 'string' && hasTooManyValues(text)) return undefined
  try {
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}

/** The Problem in an error answer of the agent; without one, or where it is none, that it makes no sense. */
export function agentProblem(answer: Buffer = Buffer.alloc(0)): Problem {
  const said = errorSchema.safeParse(jsonOf(answer))
  if (!said.success) {
    return new Problem('agent_error', 'The program inside the capsule gave an answer that makes no sense.')
  }
  const { code, message } = said.data.error
  return new Problem(own(codes, code) ?? 'agent_error', message, { hint: own(hints, code) })
}

/** The guest chooses the key: what every object has is not meant. */
function own<T>(table: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

/** The Problem of an agent that does not answer. */
export function silent(what: string, cause?: unknown): Problem {
  return new Problem('agent_error', `The capsule did not answer (${what}).`, {
    cause,
    hint: 'A program inside may have used up its memory or its processor. Try again, or destroy the capsule.',
  })
}
