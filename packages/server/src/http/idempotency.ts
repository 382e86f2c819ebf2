/** Requests with an Idempotency-Key: done once, and answered the same however often they are repeated. */
import { basePaths, Problem, type Route } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Holder } from '../services/keys.js'
import type { Begun, GivenAnswer, Idempotency } from '../services/idempotency.js'
import { accepts, runCall, type RunCall } from './call.js'
import { errorBody, mayRetry, problemOf } from './errors.js'
import { serverTiming } from './timing.js'

const KEY = /^[\x21-\x7e]{1,255}$/

/**
 * The key of a request that makes something; others have no need of one.
 * @throws Problem `invalid_request`
 */
export function idempotencyKeyOf(route: Route, request: FastifyRequest): string | undefined {
  const { 'idempotency-key': given } = request.headers
  if (given === undefined || !route.idempotencyKey) return undefined
  if (typeof given !== 'string' || !KEY.test(given))
    throw new Problem('invalid_request', 'Idempotency-Key: must be 1 to 255 visible ASCII characters.')
  const streamed = Object.values(route.replies).some(
    (reply) => reply.kind === 'json' && reply.also && accepts(request, reply.also.contentType),
  )
  if (streamed)
    throw new Problem('invalid_request', 'A streamed answer cannot be given again: it takes no Idempotency-Key.')
  return given
}

/** Answers with what the key stands for, which is done now unless it was before. */
export async function answerOnce(
  idempotency: Idempotency,
  idempotencyKey: string,
  call: Omit<RunCall, 'isDetached'>,
): Promise<FastifyReply> {
  const { request, reply } = call
  const { caller, headers, method, body } = request as FastifyRequest & { caller: Holder }
  const asked = {
    keyId: caller.keyId,
    apiKey: String(headers['x-api-key']),
    idempotencyKey,
    request: [method, withoutBase(request.url), Buffer.isBuffer(body) ? body : ''],
  }
  const { answer, isReplay } = await idempotency.once(asked, (begun) => work(call, begun))
  if (isReplay) {
    request.log.debug({ first: answer.requestId }, 'answered again')
    reply.header('idempotent-replayed', 'true')
  }
  if (mayRetry(answer.status)) reply.header('retry-after', String(answer.retryAfterSec ?? 1))
  // The one that the body may name, and under which the log has what happened.
  reply.header('x-request-id', answer.requestId)
  return reply.code(answer.status).type('application/json').send(answer.body)
}

/** Whether or not its client waits for it: the client may ask again. */
async function work(call: Omit<RunCall, 'isDetached'>, begun: Begun): Promise<GivenAnswer> {
  const { request, reply } = call
  try {
    const { status, json, timings } = await runCall({ ...call, isDetached: true, begun })
    if (timings) reply.header('server-timing', serverTiming(timings, reply.elapsedTime))
    return { status, body: JSON.stringify(json), requestId: request.id }
  } catch (error) {
    const problem = problemOf(error, request)
    const body = JSON.stringify(errorBody(problem, request.id))
    return { status: problem.status, body, requestId: request.id, retryAfterSec: problem.retryAfterSec }
  }
}

function withoutBase(url: string): string {
  const base = basePaths.find((path) => path !== '' && url.startsWith(`${path}/`)) ?? ''
  return url.slice(base.length)
}
