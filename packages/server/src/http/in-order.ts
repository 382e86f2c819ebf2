/**
 * Upgrades behind requests that are not answered yet, on the same connection. They wait until those are, as all answers of a connection
 * come in the order of its requests; Node hands the connection over at once.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Has `upgrade` called for a server's upgrades, each when all that was asked before it is answered. */
export function upgradeInOrder(server: Server, upgrade: Upgrade): void {
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>()
  server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const those = unanswered.get(socket) ?? new Set()
    unanswered.set(socket, those.add(answer))
    answer.once('close', () => those.delete(answer))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const before = [...(unanswered.get(socket) ?? [])]
    const last = before.at(-1)
    if (!last) return upgrade(request, socket, head)
    socket.on('error', () => {})
    last.once('close', () => {
      if (socket.writable) upgrade(request, socket, head)
    })
    // Node does not tell those any more that their turn never comes.
    socket.once('close', () => {
      for (const answer of before) if (!answer.closed) answer.emit('close')
    })
  })
}
