import type { FastifyRequest } from 'fastify'
import type { Services } from '../services/services.js'
import type { Handlers } from './call.js'

type ObserveRoutes = 'streamEvents' | 'capsuleMetrics' | 'capsuleStats' | 'capsuleUsage'

/** Neither caches nor proxies keep events back; and a connection whose stream has ended is of no more use. */
const live = { 'cache-control': 'no-store', 'x-accel-buffering': 'no', connection: 'close' }

/** What happens, and what is used. */
export function observeHandlers({ events, metrics, usage }: Services): Pick<Handlers, ObserveRoutes> {
  return {
    streamEvents: async ({ caller: { teamId }, request, onEnd }) => {
      const cut = () => request.raw.socket.destroy()
      const { messages, end } = events.subscribe({ teamId, lastId: lastIdOf(request), cut })
      onEnd(end)
      return { status: 200, contentType: 'text/event-stream; charset=utf-8', headers: live, stream: messages }
    },
    capsuleMetrics: async ({ caller, params, query }) => ({
      status: 200,
      json: await metrics.of(caller, params.id, query.range),
    }),
    capsuleStats: async ({ caller, query }) => ({ status: 200, json: await usage.stats(caller, query.range) }),
    capsuleUsage: async ({ caller, query }) => ({ status: 200, json: await usage.usage(caller, query) }),
  }
}

function lastIdOf({ headers }: FastifyRequest): string | undefined {
  const { 'last-event-id': given } = headers
  return Array.isArray(given) ? given[0] : given
}
