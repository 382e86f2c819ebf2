/** A port's wire between the host and the fake guest, dead while the machine is paused. */
import { duplexPair, type Duplex } from 'node:stream'
import { roomIn } from '../../wait.js'
import type { Gate } from './gate.js'

/** Both ends of a wire that carries bytes while the gate is open. */
export function wire(running: Gate): { host: Duplex; guest: Duplex } {
  const [host, near] = duplexPair()
  const [far, guest] = duplexPair()
  for (const stream of [near, far]) stream.on('error', () => {})
  // What the host sends is taken at once, the guest's window bounds it: Node's HTTP/2 does not read while it waits in a
  // write, and two ends that both do so would wait for ever.
  void carry({ from: near, to: far, running, room: async () => {} })
  void carry({ from: far, to: near, running, room: roomIn })
  return { host, guest }
}

interface Way {
  from: Duplex
  to: Duplex
  running: Gate
  room: (to: Duplex) => Promise<void>
}

async function carry({ from, to, running, room }: Way): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      await running.passed()
      if (!to.write(chunk)) await room(to)
    }
    to.end()
  } catch {
    to.destroy()
  }
}
