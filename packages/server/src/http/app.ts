/** The HTTP server: routes of the wire, bound to their handlers. */
import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import { basePaths, Problem, routes, type Route, type RouteName } from '@wrenn/wire'
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify'
import type { Logger } from 'pino'
import type { Caller } from '../services/context.js'
import type { Services } from '../services/services.js'
import { runCall, type Answer, type Handler } from './call.js'
import { serveDocs } from './docs.js'
import { answerParserError, newRequestId, sendError } from './errors.js'
import { makeHandlers } from './handlers.js'
import { answerOnce, idempotencyKeyOf } from './idempotency.js'
import { serveTelemetry } from './telemetry.js'
import { serverTiming } from './timing.js'
import { refuseUnknown } from './unknown.js'

/** The largest body that is read as a whole, in bytes. */
const MOST_JSON = 1024 * 1024
/** Longer than any id or name: those of the wrong length are told what is wrong with them. */
const LONGEST_PARAMETER = 4096

const FORM = /^multipart\/form-data\s*;/i
/** How long a client may take to send a request's head, in milliseconds. */
const HEADERS_MS = 20_000

export interface MakeApp {
  services: Services
  version: string
  logger: Logger
  /** What operators show to be given the metrics; without one, they are given to this machine alone. */
  metricsToken?: string | undefined
  /** Told of everything that is served. */
  onRoute?: (route: RouteOptions) => void
}

export async function makeApp({ services, version, logger, metricsToken, onRoute }: MakeApp): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    // The two types differ in what nothing here uses.
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MOST_JSON,
    genReqId: newRequestId,
    // Time is limited where a client can only stall: bodies and answers may be streams, and take theirs.
    http: { headersTimeout: HEADERS_MS, requireHostHeader: false },
    // While it closes, what still comes in is served like anything else, until its connection is cut.
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    frameworkErrors: sendError,
    clientErrorHandler: answerParserError,
  })
  if (onRoute) app.addHook('onRoute', onRoute)
  // Bodies are read as they are and parsed by the handlers, whatever the content type says.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  await app.register(multipart)
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(refuseUnknown)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    if (request.raw.httpVersion === '1.1' && !request.headers.host)
      throw new Problem('invalid_request', 'The request has no Host header.')
  })
  serveTelemetry(app, services.telemetry, metricsToken)
  addRoutes(app, services, version)
  await serveDocs(app, version)
  return app
}

function addRoutes(app: FastifyInstance, services: Services, version: string): void {
  const handlers = makeHandlers(services, version)
  const authenticate = async (request: FastifyRequest) => {
    const { 'x-api-key': key } = request.headers
    Object.assign(request, { caller: await services.keys.authenticate(Array.isArray(key) ? key[0] : key) } satisfies {
      caller: Caller
    })
  }
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    const handler = handlers[name] as Handler<RouteName>
    for (const base of basePaths) {
      app.route({
        method: route.method,
        url: base + route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
        // The key is checked before the body is read.
        onRequest: [...(route.auth ? [authenticate] : []), typeIgnored(route)],
        handler: async (request, reply) => {
          const call = { name, handler, request, reply }
          const idempotencyKey = idempotencyKeyOf(route, request)
          if (idempotencyKey !== undefined) return answerOnce(services.idempotency, idempotencyKey, call)
          return send(reply, await runCall({ ...call, isDetached: false }))
        },
      })
    }
  }
}

/** What a client calls its body is no reason to refuse it here: only a form that is to be taken apart keeps its type. */
function typeIgnored({ body }: Route) {
  return async ({ raw: { headers } }: FastifyRequest): Promise<void> => {
    const { 'content-type': type } = headers
    const isForm = body?.kind === 'multipart' && FORM.test(type ?? '')
    if (type !== undefined && !isForm) headers['content-type'] = 'application/octet-stream'
  }
}

function send(
  reply: FastifyReply,
  { status, json, stream, contentType, headers = {}, size, timings }: Answer,
): FastifyReply {
  reply.code(status).headers(headers)
  if (timings) reply.header('server-timing', serverTiming(timings, reply.elapsedTime))
  if (contentType) reply.type(contentType)
  if (size !== undefined) reply.header('content-length', size)
  if (stream) return reply.send(Readable.from(stream, { objectMode: false }))
  return reply.send(json)
}
