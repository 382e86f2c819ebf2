import type { z } from 'zod'
import type { ErrorCode } from './errors.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * What a request body is. A multipart body has the text field `path` and the file field `file`, in this order. Where a
 * JSON body is optional, an empty one means `{}`.
 */
export type RequestBody = { kind: 'json'; schema: z.ZodType; optional?: true } | { kind: 'multipart'; limited: boolean }

/** What an answer carries. */
export type ReplyBody =
  | { kind: 'empty' }
  | { kind: 'json'; schema: z.ZodType; also?: { contentType: string; description: string } }
  | { kind: 'bytes' }
  /** Server-sent events, each of which carries JSON; they go on until somebody ends them. */
  | { kind: 'events'; schema: z.ZodType; description: string }

/** One route of the API, as data: the server serves it, the OpenAPI document shows it, the tests check against it. */
export interface Route {
  readonly method: Method
  /** Relative to the API's base, with `{name}` parameters. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  /** False where no API key is needed. */
  readonly auth: boolean
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: RequestBody
  /** The answers of success, by status. */
  readonly replies: Readonly<Record<number, ReplyBody>>
  /** The error codes that this route itself may answer, besides those that every route may. */
  readonly errors: readonly ErrorCode[]
  /** Whether it makes something, so that a repetition with the same `Idempotency-Key` gives the first answer again. */
  readonly idempotencyKey?: true
}

export const empty: ReplyBody = { kind: 'empty' }
export const bytes: ReplyBody = { kind: 'bytes' }
/** A JSON body all of whose fields are optional. */
export const optionalJson = <T extends z.ZodType>(schema: T) => ({ kind: 'json', schema, optional: true }) as const
export const json = <T extends z.ZodType>(schema: T) => ({ kind: 'json', schema }) as const
