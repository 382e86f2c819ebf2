import { z } from 'zod'
import { defaulted, envsSchema, guestPathSchema, guestText, optional, tagSchema } from './common.js'
import { idSchema } from './ids.js'

/** The size of a terminal, in characters. */
export const terminalSizeSchema = z.object({
  cols: z.int().min(1).max(65_535),
  rows: z.int().min(1).max(65_535),
})
export type TerminalSize = z.infer<typeof terminalSizeSchema>

export const execSchema = z.object({
  cmd: guestText.min(1).max(4096).describe('The program, looked up in PATH. There is no shell in between.'),
  args: defaulted(z.array(guestText).max(10_000), []),
  timeout_sec: defaulted(z.int().min(1).max(86_400), 30).describe(
    'Foreground only: past it the whole process group is killed and the answer is agent_error.',
  ),
  envs: optional(envsSchema),
  cwd: optional(guestPathSchema).describe('Default /root.'),
  background: defaulted(z.boolean(), false),
  tag: optional(tagSchema).describe('A name for it; in the background the default is "proc-" and 8 hex digits.'),
  stdin: defaulted(z.boolean(), false).describe('Whether it has a stdin that can be written to while it runs.'),
  pty: optional(terminalSizeSchema).describe(
    'Gives it a terminal of this size. Background or streamed only; its tag defaults to "pty-" and 8 hex digits.',
  ),
  on_disconnect: defaulted(z.enum(['kill', 'keep']), 'kill').describe(
    'Streamed only: what becomes of it when the connection breaks off. "keep": it goes on, and its output is taken up again.',
  ),
})
export type ExecBody = z.output<typeof execSchema>

/** What exec calls a program, from its start until it is forgotten. */
export const sessionIdSchema = z.string().regex(/^exec-[0-9a-f]{16}$/)

export const execResultSchema = z.object({
  sandbox_id: idSchema('capsule'),
  id: sessionIdSchema,
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
  id: sessionIdSchema,
  cmd: z.string(),
  pid: z.int(),
  tag: z.string(),
})
export type ExecStartedBody = z.infer<typeof execStartedSchema>

/** Where the next byte of output stands: the offset to go on from after a broken connection. */
const offset = z.int().describe('The offset of what follows, to go on from after a broken connection.')

/** One line of a program's streamed output (`application/x-ndjson`). */
export const execEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    id: sessionIdSchema,
    pid: z.int(),
    tag: z.string().optional(),
    offset,
    dropped: z.boolean().optional().describe('Whether output before the offset that was asked for is lost.'),
  }),
  z.object({
    type: z.enum(['stdout', 'stderr']),
    data: z.string(),
    encoding: z.enum(['utf-8', 'base64']),
    offset,
  }),
  z.object({ type: z.literal('exit'), exit_code: z.int(), duration_ms: z.int() }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
])
export type ExecEvent = z.infer<typeof execEventSchema>

/** Where in a program's output to begin. */
export const outputStartSchema = z.object({
  from: z.coerce.number().int().min(0).optional().describe('An offset of its output.'),
  tail: z.coerce.number().int().min(0).optional().describe('So many bytes before the end of what there is.'),
})

export const processSchema = z.object({
  id: sessionIdSchema,
  pid: z.int(),
  tag: z.string().optional(),
  cmd: z.string(),
  args: z.array(z.string()).optional(),
  pty: z.boolean().optional().describe('Whether it has a terminal.'),
})
export const processListSchema = z.object({ processes: z.array(processSchema) })
export type ProcessBody = z.infer<typeof processSchema>

/** A process by pid, by tag or by its session's id, which has the form of a tag. */
export const selectorSchema = z.union([z.string().regex(/^[1-9][0-9]{0,9}$/), tagSchema], 'must be a pid or a tag')
export const killSignals = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
export type KillSignal = (typeof killSignals)[number]
