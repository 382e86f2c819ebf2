/** What listens: requests for ports of capsules never reach the API. Upgrades are told apart in app.ts. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { PortProxy } from '../proxy/proxy.js'

/** How long a client may take to send a request's head, in milliseconds. */
const HEADERS_MS = 20_000
/** How long a connection may be silent between requests, in milliseconds. */
const KEEP_ALIVE_MS = 72_000
/** After so many milliseconds of silence it is found out whether the other end is still there. */
const PROBE_MS = 60_000

export function makeListener(proxy: PortProxy, api: RequestListener): Server {
  // Time is limited where a client can only stall: bodies and answers may be streams, and take theirs.
  const server = createServer({
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requireHostHeader: false,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_MS,
  })
  server.on('request', (request, answer) => {
    if (proxy.isFor(request)) proxy.handle(request, answer)
    else api(request, answer)
  })
  server.on('checkContinue', (request: IncomingMessage, answer) => {
    // Whether to go on is for the guest to say.
    if (!proxy.isFor(request)) answer.writeContinue()
    server.emit('request', request, answer)
  })
  return server
}
