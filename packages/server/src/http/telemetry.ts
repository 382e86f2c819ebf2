/** GET /metrics, for operators alone, and the count of all requests. */
import { basePaths, Problem, routes, type ErrorCode, type Route } from '@wrenn/wire'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Peers } from '../proxy/peers.js'
import { isLoopback } from '../services/addresses.js'
import type { Telemetry } from '../services/metrics/telemetry.js'
import { isSameSecret } from '../services/secrets.js'

/** What proxies add: who is behind them is not on this machine. */
const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const

const execPath = routes.exec.path
const paths = new Map(
  (Object.values(routes) as Route[]).flatMap(({ path }) =>
    basePaths.map((base) => [base + path.replaceAll(/\{(\w+)\}/g, ':$1'), path] as const),
  ),
)

/** A request with what it failed with. */
export type Failed = FastifyRequest & { failure?: ErrorCode }

export interface Operators {
  /** What they show; without one, the metrics are given to this machine alone. */
  metricsToken: string | undefined
  peers: Peers
}

export function serveTelemetry(app: FastifyInstance, telemetry: Telemetry, operators: Operators): void {
  app.addHook('onResponse', async (request, reply) => {
    const { failure } = request as Failed
    const route = paths.get(request.routeOptions.url ?? '') ?? 'other'
    const seconds = reply.elapsedTime / 1000
    const { statusCode: status } = reply
    telemetry.answered({ method: methodOf(request), route, status, seconds, code: failure })
    if (route === execPath) telemetry.ended('exec', failure ? 'error' : 'success', seconds)
  })
  app.get('/metrics', async (request, reply) => {
    assertOperator(request, operators)
    return reply.type(telemetry.contentType).send(await telemetry.text())
  })
}

/** @throws Problem `forbidden` */
function assertOperator({ raw, headers }: FastifyRequest, { metricsToken: token, peers }: Operators): void {
  if (token !== undefined) {
    const [, given = ''] = /^Bearer +(.+)$/i.exec(headers.authorization ?? '') ?? []
    if (isSameSecret(given, token)) return
    throw new Problem('forbidden', 'These metrics are for operators.', {
      hint: 'Send "Authorization: Bearer" with the token that the server was given as WRENN_METRICS_TOKEN.',
    })
  }
  const isLocal = isLoopback(raw.socket.remoteAddress ?? '') && !peers.isProxied(raw)
  if (isLocal && forwarded.every((name) => headers[name] === undefined)) return
  throw new Problem('forbidden', 'These metrics are given to clients on the same machine only.', {
    hint: 'The setting WRENN_METRICS_TOKEN lets others in.',
  })
}

/** The methods that the API has; whatever else is asked is one. */
function methodOf({ method }: FastifyRequest): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other'
}
