import type { z } from 'zod'
import type { ErrorCode } from './errors.js'
import type { KeyScope } from './keys.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * What a request body is. A multipart body has the text field `path` and the file field `file`, in this order. Where a
 * JSON body is optional, an empty one means `{}`. Bytes are the content itself, of any size.
 */
export type RequestBody =
  | { kind: 'json'; schema: z.ZodType; optional?: true }
  | { kind: 'multipart'; limited: boolean }
  | { kind: 'bytes'; contentType: string }

/** What an answer carries. */
export type ReplyBody =
  | { kind: 'empty' }
  | { kind: 'json'; schema: z.ZodType; also?: { contentType: string; description: string } }
  | { kind: 'bytes'; contentType: string; description: string }
  /** Lines of JSON, each as soon as there is something to tell. */
  | { kind: 'lines'; schema: z.ZodType; description: string }
  /** Server-sent events, each of which carries JSON; they go on until somebody ends them. */
  | { kind: 'events'; schema: z.ZodType; description: string }
  /** The request is upgraded to a WebSocket, over which messages of JSON go both ways. */
  | { kind: 'socket'; fromClient: z.ZodType; fromServer: z.ZodType; description: string }
  /** The request is upgraded to a connection for raw bytes. */
  | { kind: 'tunnel'; description: string }

/** Who may ask: anybody, or who has a key of at least a scope. */
type Access = { readonly auth: false; readonly scope?: undefined } | { readonly auth: true; readonly scope: KeyScope }

/** One route of the API, as data: the server serves it, the OpenAPI document shows it, the tests check against it. */
export type Route = Access & {
  readonly method: Method
  /** Relative to the API's base, with `{name}` parameters. */
  readonly path: string
  readonly tag: string
  readonly summary: string
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
export const bytes = {
  kind: 'bytes',
  contentType: 'application/octet-stream',
  description: "The file's bytes.",
} as const satisfies ReplyBody
export const tar = {
  kind: 'bytes',
  contentType: 'application/x-tar',
  description: 'The archive.',
} as const satisfies ReplyBody
export const lines = (schema: z.ZodType, description: string): ReplyBody => ({ kind: 'lines', schema, description })
/** A body that is the content itself. */
export const rawBody = (contentType: string) => ({ kind: 'bytes', contentType }) as const
/** A JSON body all of whose fields are optional. */
export const optionalJson = <T extends z.ZodType>(schema: T) => ({ kind: 'json', schema, optional: true }) as const
export const json = <T extends z.ZodType>(schema: T) => ({ kind: 'json', schema }) as const

/** Whether a route is for WebSockets. */
export function isSocketRoute(route: Route): boolean {
  return route.replies[101]?.kind === 'socket'
}

/** Whether a route is for connections of raw bytes. */
export function isTunnelRoute(route: Route): boolean {
  return route.replies[101]?.kind === 'tunnel'
}
