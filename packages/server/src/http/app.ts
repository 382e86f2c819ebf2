/** The HTTP server: routes of the wire, bound to their handlers. */
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import {
  basePaths,
  isSocketRoute,
  isTunnelRoute,
  Problem,
  routes,
  type Route,
  type RouteName,
  type SocketRouteName,
  type TunnelRouteName,
} from '@wrenn/wire'
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
import type { PortProxy } from '../proxy/proxy.js'
import type { Services } from '../services/services.js'
import { addParsers, typeIgnored } from './bodies.js'
import { runCall, type Answer, type Handler } from './call.js'
import { serveDocs } from './docs.js'
import { answerParserError, newRequestId, sendError } from './errors.js'
import { makeHandlers } from './handlers.js'
import { makeListener } from './listener.js'
import { answerOnce, idempotencyKeyOf } from './idempotency.js'
import { serveSocket } from './socket-call.js'
import { socketRouteOf } from './sockets.js'
import { serveTelemetry } from './telemetry.js'
import { serverTiming } from './timing.js'
import { serveTunnel } from './tunnel-call.js'
import { hasHead, refuseUnknown } from './unknown.js'
import { Upgrades } from './upgrade.js'

/** The largest body that is read as a whole, in bytes. */
const MOST_JSON = 1024 * 1024
/** Longer than any id or name: those of the wrong length are told what is wrong with them. */
const LONGEST_PARAMETER = 4096

export interface MakeApp {
  services: Services
  proxy: PortProxy
  version: string
  logger: Logger
  /** What operators show to be given the metrics; without one, they are given to this machine alone. */
  metricsToken?: string | undefined
  /** Told of everything that is served. */
  onRoute?: (route: RouteOptions) => void
}

export async function makeApp(options: MakeApp): Promise<FastifyInstance> {
  const { services, proxy, version, logger, metricsToken, onRoute } = options
  const app: FastifyInstance = fastify({
    // The two types differ in what nothing here uses.
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MOST_JSON,
    genReqId: newRequestId,
    serverFactory: (handler) => makeListener(proxy, handler),
    // While it closes, what still comes in is served like anything else, until its connection is cut.
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    frameworkErrors: sendError,
    clientErrorHandler: answerParserError,
  })
  if (onRoute) app.addHook('onRoute', onRoute)
  await addParsers(app)
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(refuseUnknown)
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    if (request.raw.httpVersion === '1.1' && !request.headers.host)
      throw new Problem('invalid_request', 'The request has no Host header.')
  })
  const upgrades = new Upgrades(app)
  app.server.on('upgrade', (request, socket, head) => {
    if (proxy.isFor(request)) proxy.upgrade(request, socket as Socket, head)
    else upgrades.handleUpgrade(request, socket, head)
  })
  serveTelemetry(app, services.telemetry, metricsToken)
  addRoutes(app, { services, version, upgrades })
  await serveDocs(app, version)
  return app
}

interface AddRoutes {
  services: Services
  version: string
  upgrades: Upgrades
}

function addRoutes(app: FastifyInstance, parts: AddRoutes): void {
  const serve = serverOf(parts)
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    for (const base of basePaths) {
      app.route({
        method: route.method,
        url: base + route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
        exposeHeadRoute: hasHead(route),
        // The key is checked before the body is read.
        onRequest: [...(route.auth ? [authentication(parts, route)] : []), typeIgnored(route)],
        handler: (request, reply) => serve(name, request, reply),
      })
    }
  }
}

/** Finds out whose key a request has. */
function authentication({ services, upgrades }: AddRoutes, route: Route) {
  return async (request: FastifyRequest): Promise<void> => {
    const { 'x-api-key': key } = request.headers
    // A WebSocket may bring it with its first message.
    if (key === undefined && isSocketRoute(route) && upgrades.isWebSocket(request)) return
    const caller: Caller = await services.keys.authenticate(Array.isArray(key) ? key[0] : key)
    Object.assign(request, { caller })
  }
}

type ServeRequest = (name: RouteName, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

function serverOf({ services, version, upgrades }: AddRoutes): ServeRequest {
  const handlers: Record<string, unknown> = makeHandlers(services, version)
  return async (name, request, reply) => {
    const route: Route = routes[name]
    const upgrading = { services, upgrades, request, reply }
    if (isSocketRoute(route)) {
      const socketName = name as SocketRouteName
      return serveSocket({ name: socketName, socketRoute: socketRouteOf[socketName], ...upgrading })
    }
    if (isTunnelRoute(route)) return serveTunnel({ name: name as TunnelRouteName, ...upgrading })
    const call = { name, handler: handlers[name] as Handler<RouteName>, request, reply }
    const idempotencyKey = idempotencyKeyOf(route, request)
    if (idempotencyKey !== undefined) return answerOnce(services.idempotency, idempotencyKey, call)
    return send(reply, await runCall({ ...call, isDetached: false }))
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
