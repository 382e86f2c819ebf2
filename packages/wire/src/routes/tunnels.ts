/** What is served as raw bytes over an upgraded connection. */
import { z } from 'zod'
import type { Route } from '../route.js'
import { capsuleParams, inside } from './shared.js'

const portSchema = z.coerce.number().int().min(1).max(65_535).describe("A port on the capsule's loopback.")

/** What the header Upgrade of a request for a tunnel says. */
export const TUNNEL_PROTOCOL = 'wrenn-tunnel'

export const tunnelRoutes = {
  openTunnel: {
    tag: 'Ports',
    auth: true,
    scope: 'run',
    method: 'GET',
    path: '/v1/capsules/{id}/ports/{port}/tunnel',
    params: capsuleParams.extend({ port: portSchema }),
    summary: 'A TCP connection to a port of a capsule, loopback included',
    replies: {
      101: {
        kind: 'tunnel',
        description: `For requests with \`Upgrade: ${TUNNEL_PROTOCOL}\`. What follows are the connection's bytes, both ways; each way ends alone.`,
      },
    },
    errors: [...inside],
  },
} as const satisfies Record<string, Route>
