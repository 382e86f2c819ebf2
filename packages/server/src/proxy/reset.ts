/** The loss of a connection, as something else than its end. */
import { Socket } from 'node:net'
import type { Server } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** What each connection of TLS goes over. */
const below = new WeakMap<TLSSocket, Socket>()

/** Cuts a connection so that it is seen as a loss at its other end too. */
export function reset(stream: Duplex): void {
  const socket = stream instanceof TLSSocket ? below.get(stream) : stream
  if (socket instanceof Socket) socket.resetAndDestroy()
  else stream.destroy()
}

/** Lets the connections of a server be reset: Node can do it only to what is below TLS, and does not tell what that is. */
export function makeResettable(server: Server): void {
  const open = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket)
    open.set(name, socket)
    socket.once('close', () => open.get(name) === socket && open.delete(name))
  })
  server.on('secureConnection', (socket) => {
    const found = open.get(nameOf(socket))
    if (found) below.set(socket, found)
  })
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
