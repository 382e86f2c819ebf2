/** What the agent says, parsed once here: the guest is not trusted. */
import { fileEntrySchema, Problem, processSchema, type ErrorCode } from '@wrenn/wire'
import { z } from 'zod'

export const PROTOCOL = 1

export const healthSchema = z.object({ version: z.string().max(64), protocol: z.int(), kernel: z.string().max(256) })
export type AgentHealth = z.infer<typeof healthSchema>

export const renewedSchema = z.object({ renewed: z.array(z.string().max(64)).max(64) })
export const startedSchema = z.object({ pid: z.int().min(1), tag: z.string().max(64).optional() })
export const exitedSchema = z.object({
  exit_code: z.int(),
  signal: z.int().optional(),
  timed_out: z.boolean(),
  duration_ms: z.int().min(0),
})
export const processesSchema = z.object({ processes: z.array(processSchema) })
export const entriesSchema = z.object({ entries: z.array(fileEntrySchema) })
export const entrySchema = z.object({ entry: fileEntrySchema })

const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string().max(4096) }) })

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
}

/** The Problem in an error answer of the agent. */
export function agentProblem(body: unknown): Problem {
  const parsed = errorSchema.safeParse(body)
  if (!parsed.success) return new Problem('agent_error', 'The program inside the capsule gave an answer that makes no sense.')
  const { code, message } = parsed.data.error
  return new Problem(codes[code] ?? 'agent_error', message)
}

/** The Problem of an agent that does not answer. */
export function silent(what: string, cause?: unknown): Problem {
  return new Problem('agent_error', `The capsule did not answer (${what}).`, {
    cause,
    hint: 'A program inside may have used up its memory or its processor. Try again, or destroy the capsule.',
  })
}
