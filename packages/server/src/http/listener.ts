/** What listens: requests for ports of capsules never reach the API. Upgrades are told apart in app.ts. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { PortProxy } from '../proxy/proxy.js'
import { makeResettable } from '../proxy/reset.js'
import { cutStalled, type Patience } from './patience.js'

/** After so many milliseconds of silence it is found out whether the other end is still there. */
const PROBE_MS = 60_000
/** The most bytes of a request's head, its URL included. */
const MOST_HEAD = 16 * 1024

/** A certificate and its private key, as PEM. */
export interface Tls {
  cert: string
  key: string
}

export interface MakeListener {
  proxy: PortProxy
  api: RequestListener
  patience: Patience
  /** Without it, it is plain HTTP. */
  tls: Tls | undefined
}

export function makeListener({ proxy, api, patience, tls }: MakeListener): Server {
  const { headersMs, keepAliveMs } = patience
  // Time is limited where a client can only stall: bodies and answers may be streams, and take theirs.
  const options: ServerOptions = {
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.min(30_000, headersMs),
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: MOST_HEAD,
    requireHostHeader: false,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_MS,
  }
  const server = tls ? makeSecure(options, tls, headersMs) : createServer(options)
  // What is too many is refused, and not dropped in silence.
  server.maxHeadersCount = 0
  const watch = cutStalled(server, patience)
  server.on('request', (request, answer) => {
    const isForPort = proxy.isFor(request)
    watch({ request, answer, mayPause: isForPort })
    if (isForPort) proxy.handle(request, answer)
    else api(request, answer)
  })
  server.on('checkContinue', (request: IncomingMessage, answer) => {
    // Whether to go on is for the guest to say.
    if (!proxy.isFor(request)) answer.writeContinue()
    server.emit('request', request, answer)
  })
  return server
}

function makeSecure(options: ServerOptions, tls: Tls, handshakeTimeout: number): SecureServer {
  const server = createSecureServer({ ...options, ...tls, handshakeTimeout, minVersion: 'TLSv1.2' })
  server.on('tlsClientError', (_, socket) => void socket.destroy())
  makeResettable(server)
  return server
}

/** Takes another certificate, for connections that are still to come. @throws Error when it is none */
export function renewTls(server: Server, tls: Tls): void {
  ;(server as SecureServer).setSecureContext(tls)
}
