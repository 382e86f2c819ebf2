import { z } from 'zod'
import { defaulted, envsSchema, guestPathSchema, guestText, optional, tagSchema } from './common.js'
import { idSchema } from './ids.js'

export const execSchema = z.object({
  cmd: guestText.min(1).max(4096).describe('The program, looked up in PATH. There is no shell in between.'),
  args: defaulted(z.array(guestText).max(10_000), []),
  timeout_sec: defaulted(z.int().min(1).max(86_400), 30).describe(
    'Foreground only: past it the whole process group is killed and the answer is agent_error.',
  ),
  envs: optional(envsSchema),
  cwd: optional(guestPathSchema).describe('Default /root.'),
  background: defaulted(z.boolean(), false),
  tag: optional(tagSchema).describe('A name for a background process; default "proc-" and 8 hex digits.'),
})
export type ExecBody = z.output<typeof execSchema>

export const execResultSchema = z.object({
  sandbox_id: idSchema('capsule'),
  cmd: z.string(),
  stdout: z.string(),
  stderr: z.string(),
  exit_code: z.int().describe('-1 when a signal ended it.'),
  duration_ms: z.int(),
  encoding: z.enum(['utf-8', 'base64']).describe('Of both streams; base64 when either is not UTF-8.'),
})
export type ExecResultBody = z.infer<typeof execResultSchema>

export const execStartedSchema = z.object({
  sandbox_id: idSchema('capsule'),
  cmd: z.string(),
  pid: z.int(),
  tag: z.string(),
})
export type ExecStartedBody = z.infer<typeof execStartedSchema>

/** One line of the streamed answer of exec (`Accept: application/x-ndjson`). */
export const execEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), pid: z.int() }),
  z.object({ type: z.enum(['stdout', 'stderr']), data: z.string(), encoding: z.enum(['utf-8', 'base64']) }),
  z.object({ type: z.literal('exit'), exit_code: z.int(), duration_ms: z.int() }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
])
export type ExecEvent = z.infer<typeof execEventSchema>

export const processSchema = z.object({
  pid: z.int(),
  tag: z.string().optional(),
  cmd: z.string(),
  args: z.array(z.string()).optional(),
})
export const processListSchema = z.object({ processes: z.array(processSchema) })
export type ProcessBody = z.infer<typeof processSchema>

/** A process by pid or by tag. */
export const selectorSchema = z.union([z.string().regex(/^[1-9][0-9]{0,9}$/), tagSchema], 'must be a pid or a tag')
export const killSignals = ['SIGKILL', 'SIGTERM'] as const
export type KillSignal = (typeof killSignals)[number]
