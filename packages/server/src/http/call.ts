/** One request, as the handlers see it: parsed at the border, and no sooner than the contract's order of checks says. */
import {
  Problem,
  routes,
  type Route,
  type RouteName,
  type SocketRouteName,
  type Timings,
  type TunnelRouteName,
} from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Begun } from '../services/idempotency.js'
import type { Holder } from '../services/keys.js'

type Routes = typeof routes
type Output<S> = S extends z.ZodType ? z.output<S> : Record<string, never>
type Part<N extends RouteName, P extends string> =
  Routes[N] extends Record<P, infer S> ? Output<S> : Record<string, never>
type JsonBody<N extends RouteName> = Routes[N] extends { body: { kind: 'json'; schema: infer S } } ? Output<S> : never

export interface Call<N extends RouteName = RouteName> {
  /** Absent on routes that need no key. */
  caller: Holder
  params: Part<N, 'params'>
  query: Part<N, 'query'>
  /** The request's JSON, parsed now. @throws Problem `invalid_request` */
  json(): JsonBody<N>
  /** Aborts when the client hangs up before it has its answer; unless the answer is kept for when it asks again. */
  signal: AbortSignal
  /** Registers what is done when the call has ended: its work is done, and its answer sent or given up. */
  onEnd: (done: () => void) => void
  request: FastifyRequest
  /** What an Idempotency-Key stands for already; only with one. */
  begun: Begun | undefined
}

export interface Answer {
  status: number
  json?: unknown
  /** Bytes, or lines, as they come. */
  stream?: AsyncIterable<Uint8Array | string>
  contentType?: string
  headers?: Record<string, string>
  size?: number | undefined
  /** How long the parts of the work took, for the header Server-Timing. */
  timings?: Timings
}

export type Handler<N extends RouteName> = (call: Call<N>) => Promise<Answer>

/** What each route does. */
export type Handlers = { [N in Exclude<RouteName, SocketRouteName | TunnelRouteName>]: Handler<N> }

export interface RunCall {
  name: RouteName
  handler: Handler<RouteName>
  request: FastifyRequest
  reply: FastifyReply
  /** Whether it goes on when its client hangs up. */
  isDetached: boolean
  begun?: Begun
}

/** Parses what of a request may be parsed before its handler runs, and runs that. */
export async function runCall({ name, handler, request, reply, isDetached, begun }: RunCall): Promise<Answer> {
  const route: Route = routes[name]
  const { caller } = request as FastifyRequest & { caller?: Holder }
  const ending = new Ending(reply)
  try {
    return await handler({
      caller: caller as Holder,
      params: (route.params ? check(route.params, request.params) : {}) as Call['params'],
      query: (route.query ? check(route.query, firstOfEach(request.query)) : {}) as Call['query'],
      json: () => parseJson(route, request.body) as never,
      signal: isDetached ? new AbortController().signal : hangUp(reply),
      onEnd: (done) => ending.add(done),
      request,
      begun,
    })
  } finally {
    ending.workDone()
  }
}

/** The end of a call: its work is done, and its answer was sent or given up. */
class Ending {
  readonly #work: (() => void)[] = []
  #left = 2

  constructor({ raw }: FastifyReply) {
    if (raw.closed) this.#pass()
    else raw.once('close', () => this.#pass())
  }

  add(done: () => void): void {
    this.#work.push(done)
  }

  workDone(): void {
    this.#pass()
  }

  #pass(): void {
    if (--this.#left === 0) for (const done of this.#work.splice(0)) done()
  }
}

/**
 * Checks outside input against a schema.
 * @throws Problem `invalid_request` that names every wrong field
 */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  const texts = error.issues.map(
    ({ path, message }) => `${path.length > 0 ? `${path.map(String).join('.')}: ` : ''}${message}`,
  )
  throw new Problem('invalid_request', `${texts.join('; ')}.`)
}

function parseJson(route: Route, body: unknown): unknown {
  if (route.body?.kind !== 'json') throw new Error('a route without a JSON body')
  if (!Buffer.isBuffer(body) || body.length === 0) {
    if (route.body.optional) return check(route.body.schema, {})
    throw new Problem('invalid_request', 'A JSON body is required.')
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new Problem('invalid_request', 'The body is not JSON.')
  }
  return check(route.body.schema, value)
}

/** A parameter that is given several times counts once. */
export function firstOfEach(query: unknown): Record<string, unknown> {
  const entries = Object.entries((query ?? {}) as Record<string, unknown>)
  return Object.fromEntries(
    entries.map(([name, value]) => [name, Array.isArray(value) ? (value as unknown[])[0] : value]),
  )
}

function hangUp({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const abort = () => {
    if (!raw.writableFinished) controller.abort(new Problem('invalid_request', 'The client hung up.'))
  }
  if (raw.closed) abort()
  else raw.once('close', abort)
  return controller.signal
}

/** Whether the client asks for answers of this type. */
export function accepts({ headers }: FastifyRequest, contentType: string): boolean {
  return (headers.accept ?? '').split(',').some((type) => type.split(';')[0]!.trim().toLowerCase() === contentType)
}
