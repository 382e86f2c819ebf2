/** Every error answer, whoever raised it: the handlers, the framework, or the HTTP parser. */
import { errorTable, isProblem, Problem, randomHex, toProblem, type ErrorBody } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { safety } from './headers.js'
import type { Failed } from './telemetry.js'

/** A new id for a request: in its answer, and in the log. */
export function newRequestId(): string {
  return `req-${randomHex(8)}`
}

/** The body of an error answer. */
export function errorBody({ code, message, hint }: Problem, requestId?: string): ErrorBody {
  return { error: { code, message, ...(hint ? { hint } : {}), ...(requestId ? { request_id: requestId } : {}) } }
}

/** Answers with an error. What the client is not told is in the log, under the request's id. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error, request)
  if (mayRetry(problem.status)) reply.header('retry-after', String(problem.retryAfterSec ?? 1))
  // What the framework refuses has been through no hook that would have set these.
  reply
    .headers({ 'x-request-id': request.id, ...safety })
    .code(problem.status)
    .type('application/json')
  reply.send(errorBody(problem, request.id))
}

/** What the client is told of a failure; the rest is logged. */
export function problemOf(error: unknown, request: FastifyRequest): Problem {
  const problem = ofFramework(error) ?? toProblem(error)
  Object.assign(request, { failure: problem.code } satisfies Partial<Failed>)
  logFailure(problem, request)
  return problem
}

/** Whether the same request may soon succeed. */
export function mayRetry(status: number): boolean {
  return Object.values(errorTable).some((entry) => entry.status === status && entry.retryable)
}

/** Logs a failure that is not the client's own. */
export function logFailure(error: unknown, request: FastifyRequest): void {
  const problem = toProblem(error)
  if (problem.status >= 500) request.log.error({ err: problem.cause ?? problem, code: problem.code }, problem.message)
}

/** The framework's own refusals of what a client sent. */
function ofFramework(error: unknown): Problem | undefined {
  if (isProblem(error)) return undefined
  const { code, statusCode } = error as { code?: string; statusCode?: number }
  if (statusCode === 413) return new Problem('too_large', 'The body is too large.')
  if (code === 'FST_ERR_BAD_URL') return new Problem('invalid_request', 'The URL is malformed.')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('invalid_request', 'The request is malformed.', { cause: error })
  }
  return undefined
}

/** Answers what is no HTTP at all. */
export function answerParserError(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const problem = new Problem('invalid_request', isTooLarge ? 'The headers are too large.' : 'This is no HTTP request.')
  const id = newRequestId()
  const body = JSON.stringify(errorBody(problem, id))
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    ...Object.entries(safety).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
