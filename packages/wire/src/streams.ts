/** What is said over the WebSockets of exec, attach and pty. A message of another form is answered with `error`. */
import { z } from 'zod'
import { defaulted, envsSchema, guestPathSchema, guestText, optional, tagSchema } from './common.js'
import { sessionIdSchema, terminalSizeSchema } from './exec.js'

/** The first message where the upgrade request had no key. */
export const authMessageSchema = z.object({ type: z.literal('auth'), token: z.string() })

const program = {
  args: defaulted(z.array(guestText).max(10_000), []),
  envs: optional(envsSchema),
  cwd: optional(guestPathSchema),
  tag: optional(tagSchema),
}

/** The first message to `…/exec/stream`. */
export const streamStartSchema = z.object({
  type: z.literal('start'),
  cmd: guestText.min(1).max(4096),
  ...program,
  timeout_sec: optional(z.int().min(1).max(86_400)).describe('Default: none.'),
  on_disconnect: defaulted(z.enum(['kill', 'keep']), 'kill').describe(
    'What becomes of it when the socket is closed. A socket that is lost without a close frame leaves it a minute to be taken up again.',
  ),
})
export type StreamStart = z.output<typeof streamStartSchema>

/** What a client may say while a program runs. */
export const streamInputSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('stdin'), data: z.string(), encoding: defaulted(z.enum(['utf-8', 'base64']), 'utf-8') }),
  z.object({ type: z.literal('stdin_end') }),
  z.object({ type: z.literal('stop') }).describe('Ends the program.'),
])
export type StreamInput = z.output<typeof streamInputSchema>

/** What the server says of a program. Bytes that are not UTF-8 become U+FFFD. */
export const streamEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    pid: z.int(),
    id: sessionIdSchema,
    tag: z.string().optional(),
    offset: z.int(),
    dropped: z.boolean().optional(),
  }),
  z.object({ type: z.enum(['stdout', 'stderr']), data: z.string(), offset: z.int() }),
  z.object({ type: z.literal('exit'), exit_code: z.int() }),
  z.object({ type: z.literal('error'), data: z.string(), code: z.string() }),
])
export type StreamEvent = z.infer<typeof streamEventSchema>

const size = {
  cols: defaulted(terminalSizeSchema.shape.cols, 80),
  rows: defaulted(terminalSizeSchema.shape.rows, 24),
}

/** The first message to `…/pty`: a new session, or one that exists. */
export const ptyOpeningSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), cmd: defaulted(guestText.min(1).max(4096), '/bin/bash'), ...program, ...size }),
  z.object({
    type: z.literal('connect'),
    tag: tagSchema,
    from: optional(z.int().min(0)).describe('An offset of its output; default: what is kept of it.'),
  }),
])
export type PtyOpening = z.output<typeof ptyOpeningSchema>

/** What a client may say in a terminal session. A binary message is input too, as it is. */
export const ptyInputSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('input'), data: z.base64() }),
  z.object({ type: z.literal('resize'), ...terminalSizeSchema.shape }),
  z.object({ type: z.literal('kill') }),
  z.object({ type: z.literal('pong') }).describe('Answers `ping`; whoever does is sent output as binary messages.'),
])
export type PtyInput = z.output<typeof ptyInputSchema>

/** What the server says in a terminal session, besides output as binary messages for those who take it so. */
export const ptyEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), tag: z.string(), pid: z.int(), id: sessionIdSchema }),
  z.object({ type: z.literal('output'), data: z.base64() }),
  z.object({ type: z.literal('exit'), exit_code: z.int() }),
  z.object({ type: z.literal('error'), data: z.string(), code: z.string(), fatal: z.boolean() }),
  z.object({ type: z.literal('ping') }),
])
export type PtyEvent = z.infer<typeof ptyEventSchema>
