/** The HTTP server: routes of the wire, bound to their handlers. */
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import {
  basePaths,
  isSocketRoute,
  isTunnelRoute,
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
import type { Peers } from '../proxy/peers.js'
import type { PortProxy } from '../proxy/proxy.js'
import type { Services } from '../services/services.js'
import { assertHead, authentication, type Keyed } from './access.js'
import { addParsers, typeIgnored } from './bodies.js'
import { runCall, type Answer, type Handler } from './call.js'
import { serveDocs } from './docs.js'
import { allowOrigins } from './cors.js'
import { answerParserError, newRequestId, sendError } from './errors.js'
import { makeHandlers } from './handlers.js'
import { safety, strictTransport } from './headers.js'
import { makeListener, type Tls } from './listener.js'
import { answerOnce, idempotencyKeyOf } from './idempotency.js'
import { upgradeInOrder } from './in-order.js'
import { usualPatience, type Patience } from './patience.js'
import { serveSocket } from './socket-call.js'
import { socketRouteOf } from './sockets.js'
import { serveTelemetry } from './telemetry.js'
import { serverTiming } from './timing.js'
import { serveTunnel } from './tunnel-call.js'
import { hasHead, isMistaken, refuseUnknown } from './unknown.js'
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
  peers: Peers
  /** The origins whose pages may use the API. */
  origins: readonly string[]
  tls?: Tls | undefined
  patience?: Partial<Patience> | undefined
  /** Told of everything that is served. */
  onRoute?: (route: RouteOptions) => void
}

export async function makeApp(options: MakeApp): Promise<FastifyInstance> {
  const { services, proxy, version, peers, metricsToken, origins, onRoute } = options
  const app = makeFastify(options)
  if (onRoute) app.addHook('onRoute', onRoute)
  await addParsers(app)
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(refuseUnknown)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, ...safety })
    if (request.protocol === 'https') reply.headers(strictTransport)
    assertHead(request)
  })
  if (origins.length > 0) await allowOrigins(app, origins)
  // Before the framework looks at the body, for which some methods have rules.
  app.addHook('preParsing', async (request, reply) => {
    if (request.is404 || isMistaken(request)) refuseUnknown(request, reply)
  })
  const upgrades = new Upgrades(app)
  upgradeInOrder(app.server, (request, socket, head) => {
    // From here on silence is nobody's fault.
    ;(socket as Socket).setTimeout(0)
    if (proxy.isFor(request)) proxy.upgrade(request, socket as Socket, head)
    else upgrades.handleUpgrade(request, socket, head)
  })
  serveTelemetry(app, services.telemetry, { metricsToken, peers })
  addRoutes(app, { services, version, upgrades, origins })
  await serveDocs(app, version)
  return app
}

function makeFastify({ logger, proxy, peers, tls, patience }: MakeApp): FastifyInstance {
  return fastify({
    // The two types differ in what nothing here uses.
    loggerInstance: logger as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MOST_JSON,
    genReqId: newRequestId,
    trustProxy: peers.isTrusted,
    serverFactory: (api) => makeListener({ proxy, api, tls, patience: { ...usualPatience, ...patience } }),
    // While it closes, what still comes in is served like anything else, until its connection is cut.
    return503OnClosing: false,
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    frameworkErrors: sendError,
    clientErrorHandler: answerParserError,
  })
}

interface AddRoutes {
  services: Services
  version: string
  upgrades: Upgrades
  origins: readonly string[]
}

function addRoutes(app: FastifyInstance, parts: AddRoutes): void {
  const serve = serverOf(parts)
  const gate = { ...parts, keys: parts.services.keys }
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    for (const base of basePaths) {
      app.route({
        method: route.method,
        url: base + route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
        exposeHeadRoute: hasHead(route),
        // The key is checked before the body is read.
        onRequest: [authentication(route, gate), typeIgnored(route)],
        handler: (request, reply) => serve(name, request, reply),
      })
    }
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
    cutWithKey(request, reply, services)
    const call = { name, handler: handlers[name] as Handler<RouteName>, request, reply }
    const idempotencyKey = idempotencyKeyOf(route, request)
    if (idempotencyKey !== undefined) return answerOnce(services.idempotency, idempotencyKey, call)
    return send(reply, await runCall({ ...call, isDetached: false }))
  }
}

/** What is under way when its key is revoked, or expires, ends: it may be a stream without an end. */
function cutWithKey(request: Keyed, { raw }: FastifyReply, { keys }: Services): void {
  if (request.caller && !raw.closed)
    raw.once(
      'close',
      keys.hold(request.caller, () => raw.destroy()),
    )
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
