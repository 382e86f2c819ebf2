/**
 * Requests that want another protocol. They go the way of all requests, through the router and its hooks, so that refusals are answered like any
 * other; a route for WebSockets, or for tunnels, then takes the connection over with `acceptWebSocket` or `acceptTunnel`.
 */
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { Problem, TUNNEL_PROTOCOL } from '@wrenn/wire'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WebSocketServer, type WebSocket } from 'ws'
import { reset } from '../proxy/reset.js'
import { answerParserError } from './errors.js'

/** The largest message that is taken, in bytes. */
const MOST_MESSAGE = 1024 * 1024
/** After how much silence the kernel asks whether a connection lives, in milliseconds. */
const KEEP_ALIVE_MS = 60_000
/** How long peers have to answer the close frame when the server closes, in milliseconds. */
const POLITE_MS = 200

interface Upgrading {
  response: ServerResponse
  socket: Duplex
  head: Buffer
}

export class Upgrades {
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE, perMessageDeflate: false })
  readonly #upgrading = new WeakMap<IncomingMessage, Upgrading>()
  readonly #open = new Set<Duplex>()
  readonly #tunnels = new Set<Socket>()

  constructor(private readonly app: FastifyInstance) {
    this.#sockets.on('wsClientError', (_, socket) => answerParserError({}, socket as Socket))
    app.addHook('preClose', () => this.#close())
  }

  /** What is done with a request that the parser takes for an upgrade. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!isWebSocket(request) && !isTunnel(request)) return this.#decline(request, socket, head)
    socket.on('error', () => {})
    // Of a peer that is not read from, or does not read, only the kernel can find out that it is gone.
    ;(socket as Socket).setKeepAlive(true, KEEP_ALIVE_MS)
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    response.once('finish', () => (socket as Socket).destroySoon())
    this.#upgrading.set(request, { response, socket, head })
    this.app.routing(request, response)
  }

  /** @throws Problem `invalid_request` when a request cannot be accepted as a WebSocket */
  assertWebSocket(request: FastifyRequest): void {
    if (!this.isWebSocket(request)) throw noWebSocket()
  }

  /** Whether a request can be accepted as a WebSocket. */
  isWebSocket({ raw }: FastifyRequest): boolean {
    return this.#upgrading.has(raw) && isWebSocket(raw)
  }

  /** @throws Problem `invalid_request` when a request cannot be accepted as a tunnel */
  assertTunnel({ raw }: FastifyRequest): void {
    if (!this.#upgrading.has(raw) || !isTunnel(raw)) throw noTunnel()
  }

  /**
   * Makes a connection for raw bytes of a request's; nothing more is answered through `reply`.
   * @returns undefined when the client has gone meanwhile
   * @throws Problem `invalid_request` when it did not ask for one
   */
  acceptTunnel(request: FastifyRequest, reply: FastifyReply): Socket | undefined {
    this.assertTunnel(request)
    const { response, socket, head } = this.#upgrading.get(request.raw)!
    reply.hijack()
    if (socket.destroyed) return undefined
    response.detachSocket(socket as Socket)
    this.#tunnels.add(socket as Socket)
    socket.once('close', () => this.#tunnels.delete(socket as Socket))
    if (head.length > 0) socket.unshift(head)
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL_PROTOCOL}\r\n\r\n`)
    return socket as Socket
  }

  /**
   * Makes a WebSocket of a request's connection; nothing more is answered through `reply`.
   * @returns undefined when the client has gone meanwhile
   * @throws Problem `invalid_request` when it did not ask for one
   */
  acceptWebSocket(request: FastifyRequest, reply: FastifyReply): WebSocket | undefined {
    this.assertWebSocket(request)
    const { raw } = request
    const { response, socket, head } = this.#upgrading.get(raw)!
    reply.hijack()
    if (socket.destroyed) return undefined
    response.detachSocket(socket as Socket)
    let accepted: WebSocket | undefined
    this.#sockets.handleUpgrade(raw, socket, head, (ws) => (accepted = ws))
    return accepted
  }

  /** Another protocol than ours, say HTTP/2, is an offer that may be ignored: it is served as if it had not been made. */
  #decline(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { method, url, httpVersion, rawHeaders } = request
    const lines = [`${method} ${url} HTTP/${httpVersion}`]
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (rawHeaders[at]!.toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`)
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    this.app.server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
  }

  /** Connections that were upgraded are not the HTTP server's any more: it would wait for them for ever. */
  async #close(): Promise<void> {
    // A loss, and not an end: what was on its way may not have come.
    for (const socket of this.#tunnels) reset(socket)
    for (const ws of this.#sockets.clients) {
      ws.resume()
      ws.close(1001, 'The server is closing.')
    }
    const closed = Promise.all([...this.#open].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    await Promise.race([closed, sleep(POLITE_MS, undefined, { ref: false })])
    for (const socket of this.#open) socket.destroy()
  }
}

function noTunnel(): Problem {
  return new Problem('invalid_request', 'This route is for tunnels.', {
    hint: `Ask for it with the headers "Connection: Upgrade" and "Upgrade: ${TUNNEL_PROTOCOL}".`,
  })
}

function noWebSocket(): Problem {
  return new Problem('invalid_request', 'This route is for WebSockets.', {
    hint: 'Connect to it with ws:// or wss://.',
  })
}

const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Whether the handshake is one that can be accepted. */
function isWebSocket({ method, headers }: IncomingMessage): boolean {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = headers
  return (
    method === 'GET' &&
    upgrade?.toLowerCase() === 'websocket' &&
    KEY.test(key ?? '') &&
    (version === '13' || version === '8')
  )
}

function isTunnel({ method, headers: { upgrade } }: IncomingMessage): boolean {
  return method === 'GET' && upgrade?.toLowerCase() === TUNNEL_PROTOCOL
}
