/**
 * Upgrades that are sent before an earlier request of their connection has its answer: it is cut, as what follows would mix with that
 * answer. Node hands the connection over at once.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Has `upgrade` called for a server's upgrades, if all that was asked before them is answered. */
export function upgradeInOrder(server: Server, upgrade: Upgrade): void {
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>()
  server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const those = unanswered.get(socket) ?? new Set()
    unanswered.set(socket, those.add(answer))
    answer.once('close', () => those.delete(answer))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const before = [...(unanswered.get(socket) ?? [])]
    if (before.length === 0) return upgrade(request, socket, head)
    // Those whose turn would come later are not told by Node any more that it never does.
    socket.once('close', () => {
      for (const answer of before) if (!answer.closed) answer.emit('close')
    })
    socket.on('error', () => {}).destroy()
  })
}
