/** Passes a request on to a guest, and the answer back: as they come, each as fast as its reader reads. */
import { request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingMessage } from 'node:http'
import { isProblem, Problem, type Guest } from '@wrenn/wire'
import type { Exchange } from './exchange.js'
import { answerHeaders, hasBody, passedTrailers, requestHeaders } from './headers.js'
import { passInformation } from './information.js'
import { join } from './join.js'
import type { Target } from './target.js'
import type { ThroughTunnel, Tunnels } from './tunnels.js'

export interface Destination {
  guest: Guest
  target: Target
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
  const { request } = exchange
  const asked = send(exchange, to, mayUseKept)
  exchange.onEnd(() => asked.destroy())
  asked.on('response', (reply: IncomingMessage) => answerWith(exchange, reply))
  asked.on('error', (error: Error) => {
    // An answer that breaks off shows that itself; one that is whole does not mind a request that was not read.
    if (exchange.hasEnded || exchange.answer.headersSent) return
    if (mayUseKept && asked.reusedSocket) return ask(exchange, to, false)
    exchange.refuse(isProblem(error) ? error : brokenOff(to.target, error))
  })
  passInformation(exchange, asked)
  if (exchange.isUpgrade)
    asked.on('upgrade', (reply: IncomingMessage, tunnel, head: Buffer) => {
      exchange.onEnd(() => tunnel.destroy())
      if (!begin(exchange, reply)) return
      exchange.answer.detachSocket(request.socket)
      if (head.length > 0) tunnel.unshift(head)
      join(request.socket, tunnel)
    })
  if (!hasBody(request)) return void asked.end()
  asked.flushHeaders()
  passBody(request, asked)
}

function send(exchange: Exchange, { guest, target, kept, single }: Destination, mayUseKept: boolean): ClientRequest {
  const { request, isUpgrade, signal } = exchange
  const connection = isUpgrade ? 'Upgrade' : mayUseKept ? 'keep-alive' : 'close'
  const options: ThroughTunnel = {
    agent: mayUseKept ? kept : single,
    host: target.capsuleId,
    port: target.port,
    method: request.method,
    path: target.path,
    headers: requestHeaders(request, target, connection),
    open: (opening) => guest.connect(target.port, opening),
    gone: signal,
  }
  return httpRequest(options)
}

function answerWith(exchange: Exchange, reply: IncomingMessage): void {
  const { answer } = exchange
  reply.on('error', () => {})
  if (!begin(exchange, reply)) return
  reply.once('close', () => {
    if (!reply.complete) answer.destroy()
  })
  passBody(reply, answer)
}

/** Sends the answer's head at once: what follows may take its time. @returns false when it was none that can be sent */
function begin(exchange: Exchange, reply: IncomingMessage): boolean {
  const { answer } = exchange
  try {
    answer.writeHead(reply.statusCode!, reply.statusMessage, answerHeaders(reply))
    answer.flushHeaders()
    return true
  } catch (error) {
    reply.destroy()
    exchange.refuse(new Problem('agent_error', 'The program in the capsule sent a malformed answer.', { cause: error }))
    return false
  }
}

function passBody(from: IncomingMessage, to: OutgoingMessage): void {
  from.pipe(to, { end: false })
  from.once('end', () => {
    const trailers = passedTrailers(from)
    if (trailers.length > 0 && !to.destroyed) to.addTrailers(trailers)
    to.end()
  })
}

function brokenOff({ port }: Target, cause: Error & { code?: string }): Problem {
  const isGarbage = cause.code?.startsWith('HPE_')
  const what = isGarbage ? 'sent what is no HTTP answer' : 'broke off before it answered'
  return new Problem('agent_error', `What listens on port ${port} of the capsule ${what}.`, { cause })
}
