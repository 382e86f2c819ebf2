import cors from '@fastify/cors'
import { routes } from '@wrenn/wire'
import type { FastifyInstance } from 'fastify'

/** How long a browser may remember what it was allowed, in seconds. */
const REMEMBERED = 600

/** Lets pages of these origins use the API; they bring a key like anybody else, and no cookies. */
export async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  await app.register(cors, {
    origin: [...origins],
    methods: [...new Set(Object.values(routes).map(({ method }) => method))],
    allowedHeaders: ['X-API-Key', 'Content-Type', 'Idempotency-Key', 'Last-Event-ID'],
    exposedHeaders: ['X-Request-Id', 'Retry-After', 'Server-Timing', 'Idempotent-Replayed'],
    credentials: false,
    maxAge: REMEMBERED,
    // Its refusals would not be JSON.
    strictPreflight: false,
  })
}
