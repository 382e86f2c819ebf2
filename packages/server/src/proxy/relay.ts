/** Passes a request on to a guest, and the answer back: as they come, each as fast as its reader reads. */
import { request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { isProblem, Problem, type Guest } from '@wrenn/wire'
import type { Exchange } from './exchange.js'
import { answerHeaders, hasBody, passedTrailers, requestHeaders } from './headers.js'
import { passInformation } from './information.js'
import { join } from './join.js'
import type { Peers } from './peers.js'
import type { Target } from './target.js'
import type { ThroughTunnel, Tunnels } from './tunnels.js'

/** Written first, it sends the head on its own, and as the bytes that it is made of: `flushHeaders` takes it for UTF-8. */
const HEAD_NOW = ['', 'latin1'] as const

export interface Destination {
  guest: Guest
  target: Target
  peers: Peers
  /** Keeps its connections. */
  kept: Tunnels
  /** Makes a new connection for each request. */
  single: Tunnels
}

/** @throws Problem `invalid_request` */
export function relay(exchange: Exchange, to: Destination): void {
  const { request, isUpgrade } = exchange
  if (isUpgrade && hasBody(request))
    throw new Problem('invalid_request', 'A request to change the protocol has no body here.')
  // A kept connection may have been closed at its other end just now: only what can be asked again may meet that.
  const isRepeatable = ['GET', 'HEAD', 'OPTIONS'].includes(request.method!) && !hasBody(request) && !isUpgrade
  ask(exchange, to, isRepeatable)
}

function ask(exchange: Exchange, to: Destination, mayUseKept: boolean): void {
  const { request, isUpgrade } = exchange
  const asked = send(exchange, to, mayUseKept)
  exchange.onEnd(() => asked.destroy())
  asked.on('response', (reply: IncomingMessage) => answerWith(exchange, to.target, reply))
  asked.on('error', (error: Error) => {
    // An answer that breaks off shows that itself; one that is whole does not mind a request that was not read.
    if (exchange.hasEnded || exchange.answer.headersSent) return
    if (mayUseKept && asked.reusedSocket) return ask(exchange, to, false)
    exchange.refuse(isProblem(error) ? error : brokenOff(to.target, error))
  })
  passInformation(exchange, asked)
  asked.on('upgrade', (reply: IncomingMessage, tunnel, head: Buffer) => {
    exchange.onEnd(() => tunnel.destroy())
    if (!isUpgrade) return exchange.refuse(malformed(to.target))
    if (head.length > 0) tunnel.unshift(head)
    switchOver(exchange, reply, tunnel)
  })
  if (!hasBody(request)) return void asked.end()
  asked.write(...HEAD_NOW)
  passBody(request, asked)
}

function send(
  exchange: Exchange,
  { guest, target, peers, kept, single }: Destination,
  mayUseKept: boolean,
): ClientRequest {
  const { request, isUpgrade, signal } = exchange
  const connection = isUpgrade ? 'Upgrade' : mayUseKept ? 'keep-alive' : 'close'
  const options: ThroughTunnel = {
    agent: mayUseKept ? kept : single,
    host: target.capsuleId,
    port: target.port,
    method: request.method,
    path: target.path,
    headers: requestHeaders(request, { target, peers, connection }),
    open: (opening) => guest.connect(target.port, opening),
    gone: signal,
  }
  return httpRequest(options)
}

function answerWith(exchange: Exchange, target: Target, reply: IncomingMessage): void {
  const { answer } = exchange
  reply.on('error', () => {})
  try {
    answer.writeHead(reply.statusCode!, reply.statusMessage, answerHeaders(reply))
  } catch (error) {
    reply.destroy()
    return exchange.refuse(malformed(target, error))
  }
  answer.write(...HEAD_NOW)
  reply.once('close', () => {
    if (!reply.complete) answer.destroy()
  })
  passBody(reply, answer)
}

/** From here on it is no HTTP. */
function switchOver({ request: { socket }, answer }: Exchange, reply: IncomingMessage, tunnel: Duplex): void {
  answer.detachSocket(socket)
  const lines = answerHeaders(reply).map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`))
  // No line has a line break in it: the parser cut them there.
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1')
  join(socket, tunnel)
}

function passBody(from: IncomingMessage, to: OutgoingMessage): void {
  from.pipe(to, { end: false })
  from.once('end', () => {
    const trailers = passedTrailers(from)
    if (trailers.length > 0 && !to.destroyed) to.addTrailers(trailers)
    to.end()
  })
}

function malformed({ port }: Pick<Target, 'port'>, cause?: unknown): Problem {
  return new Problem('agent_error', `What listens on port ${port} of the capsule sent a malformed answer.`, { cause })
}

function brokenOff({ port }: Pick<Target, 'port'>, cause: Error & { code?: string }): Problem {
  if (cause.code?.startsWith('HPE_')) return malformed({ port }, cause)
  return new Problem('agent_error', `What listens on port ${port} of the capsule broke off before it answered.`, {
    cause,
  })
}
