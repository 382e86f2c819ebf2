/** Connections whose client stalls are cut. Those that are silent because nothing happens are not. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How long clients may take, in milliseconds. */
export interface Patience {
  /** For a request's head, and for the handshake of TLS. */
  headersMs: number
  /** Without taking a byte of an answer that waits for them, or sending one of a body that is waited for. */
  stallMs: number
  /** Between requests. */
  keepAliveMs: number
}

export const usualPatience: Patience = { headersMs: 20_000, stallMs: 120_000, keepAliveMs: 72_000 }

interface Exchange {
  request: IncomingMessage
  answer: ServerResponse
  /** Whether its body may come as slowly as it likes: what reads it decides. */
  mayPause: boolean
}

/**
 * Progress is what counts, not how long it takes in all. Node tells when a connection was silent both ways for a time, and
 * counts what the kernel has sent of a large answer as a sound.
 */
export function cutStalled(server: Server, { stallMs }: Pick<Patience, 'stallMs'>): Watch {
  const current = new WeakMap<Socket, Exchange>()
  server.setTimeout(stallMs, (socket: Socket) => {
    const exchange = current.get(socket)
    if (!exchange || isStalled(socket, exchange)) socket.destroy()
    else socket.setTimeout(stallMs)
  })
  return (exchange) => void current.set(exchange.request.socket, exchange)
}

/** Tells of the latest exchange of a connection. */
export type Watch = (exchange: Exchange) => void

function isStalled(socket: Socket, { request, answer, mayPause }: Exchange): boolean {
  // Between requests.
  if (answer.writableFinished && request.complete) return true
  if (socket.writableLength > 0) return true
  // What has come and was not looked at yet is for us to read.
  return !request.complete && !mayPause && request.readableLength === 0
}
