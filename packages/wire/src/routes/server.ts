import { healthSchema } from '../keys.js'
import { json, type Route } from '../route.js'

export const serverRoutes = {
  getHealth: {
    method: 'GET',
    path: '/health',
    tag: 'Server',
    auth: false,
    summary: 'Whether the server is up, and its version',
    replies: { 200: json(healthSchema) },
    errors: [],
  },
} as const satisfies Record<string, Route>
