import { eventSchema } from '../events.js'
import {
  metricsQuerySchema,
  metricsSchema,
  statsQuerySchema,
  statsSchema,
  usageQuerySchema,
  usageSchema,
} from '../metrics.js'
import { json, type Route } from '../route.js'
import { capsuleParams } from './shared.js'

const onMetrics = { tag: 'Metrics', auth: true, scope: 'read', method: 'GET' } as const

export const observeRoutes = {
  streamEvents: {
    method: 'GET',
    path: '/v1/events/stream',
    tag: 'Events',
    auth: true,
    scope: 'read',
    summary: "What happens to the team's capsules and templates, as it happens",
    replies: {
      200: {
        kind: 'events',
        schema: eventSchema,
        description:
          'Server-sent events. The first is `connected`; each later one has an `id`, from which a reconnection with `Last-Event-ID` goes on.',
      },
    },
    errors: [],
  },

  capsuleStats: {
    ...onMetrics,
    path: '/v1/capsules/stats',
    summary: 'How many capsules run, and what they reserve: now, at most, and over time',
    query: statsQuerySchema,
    replies: { 200: json(statsSchema) },
    errors: [],
  },

  capsuleUsage: {
    ...onMetrics,
    path: '/v1/capsules/usage',
    summary: 'What running capsules reserved on each day (UTC)',
    query: usageQuerySchema,
    replies: { 200: json(usageSchema) },
    errors: [],
  },

  capsuleMetrics: {
    ...onMetrics,
    path: '/v1/capsules/{id}/metrics',
    summary: 'What a capsule used over time, also after it was destroyed',
    params: capsuleParams,
    query: metricsQuerySchema,
    replies: { 200: json(metricsSchema) },
    errors: ['not_found'],
  },
} as const satisfies Record<string, Route>
