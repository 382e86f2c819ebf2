/** All routes, as data. They are served below `/` and, for older clients, below `/api`. */
import { capsuleSchema } from './capsules.js'
import { eventSchema } from './events.js'
import { execEventSchema, execResultSchema, execStartedSchema } from './exec.js'
import { keySchema } from './keys.js'
import type { Route } from './route.js'
import { capsuleRoutes } from './routes/capsules.js'
import { fileRoutes } from './routes/files.js'
import { keyRoutes } from './routes/keys.js'
import { observeRoutes } from './routes/observe.js'
import { processRoutes } from './routes/processes.js'
import { serverRoutes } from './routes/server.js'
import { snapshotRoutes } from './routes/snapshots.js'
import { socketRoutes } from './routes/sockets.js'
import { tunnelRoutes } from './routes/tunnels.js'
import { templateSchema, verificationSchema, versionSchema } from './snapshots.js'

export const routes = {
  ...serverRoutes,
  ...capsuleRoutes,
  ...processRoutes,
  ...socketRoutes,
  ...tunnelRoutes,
  ...fileRoutes,
  ...snapshotRoutes,
  ...keyRoutes,
  ...observeRoutes,
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof routes
/** The routes that are for WebSockets. */
export type SocketRouteName = keyof typeof socketRoutes
/** The routes that are for connections of raw bytes. */
export type TunnelRouteName = keyof typeof tunnelRoutes

/** Schemas that the OpenAPI document lists by name besides those of the routes. */
export const namedSchemas = {
  Capsule: capsuleSchema,
  Template: templateSchema,
  TemplateVersion: versionSchema,
  Verification: verificationSchema,
  ExecResult: execResultSchema,
  ExecStarted: execStartedSchema,
  ExecEvent: execEventSchema,
  Key: keySchema,
  Event: eventSchema,
} as const
