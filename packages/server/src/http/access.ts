/** Who may ask for what: the key of a request, checked before its body is read. */
import { isSocketRoute, Problem, type Route } from '@wrenn/wire'
import type { FastifyRequest } from 'fastify'
import type { Holder, Keys } from '../services/keys.js'
import type { Upgrades } from './upgrade.js'

/** The most lines that a request's head may have. */
const MOST_HEADERS = 200

/** A request whose key was checked. */
export type Keyed = FastifyRequest & { caller?: Holder }

interface Gate {
  keys: Keys
  upgrades: Upgrades
  /** The origins whose pages may use the API. */
  origins: readonly string[]
}

/** Finds out whose key a request has, and whether it is for what the route does. */
export function authentication(route: Route, { keys, upgrades, origins }: Gate) {
  return async (request: FastifyRequest): Promise<void> => {
    if (!route.auth) return
    const { 'x-api-key': key } = request.headers
    // A WebSocket may bring it with its first message.
    if (key === undefined && isSocketRoute(route) && upgrades.isWebSocket(request))
      return assertOwnOrigin(request, origins)
    const caller = await keys.admit({ key: [key].flat()[0], address: addressOf(request), scope: route.scope })
    Object.assign(request, { caller })
  }
}

/**
 * Browsers ask no server whether a page of another origin may open a WebSocket, but say whose it is. It is the same as for
 * requests: pages of the server's own host, and of those origins that may use the API. Who can send the key as a header is no
 * browser.
 * @throws Problem `forbidden`
 */
function assertOwnOrigin({ headers: { origin }, host }: FastifyRequest, origins: readonly string[]): void {
  if (origin === undefined || origins.includes(origin) || origin.replace(/^[a-z]+:\/\//, '') === host) return
  throw new Problem('forbidden', 'Pages of this origin may not open WebSockets here.', {
    hint: 'The setting WRENN_CORS_ORIGINS lets pages of other origins in.',
  })
}

/** Node's own limit drops what is too many without a word. @throws Problem `invalid_request` */
export function assertHead({ raw }: FastifyRequest): void {
  if (raw.httpVersion === '1.1' && !raw.headers.host)
    throw new Problem('invalid_request', 'The request has no Host header.')
  if (raw.rawHeaders.length / 2 > MOST_HEADERS)
    throw new Problem('invalid_request', `The request has more than ${MOST_HEADERS} headers.`)
}

/** The client's address. There is none where it has left meanwhile. */
export function addressOf({ ip }: { ip: string | undefined }): string {
  return ip ?? ''
}
