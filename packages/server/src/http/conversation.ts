/** What goes on between a program and a peer: its events one way, what the peer says the other. */
import { toProblem, type Guest, type Problem } from '@wrenn/wire'
import type { Services } from '../services/services.js'
import type { Leave } from '../services/sessions.js'
import { Stdin } from '../services/stdin.js'
import type { Message, Peer } from './peer.js'

export interface Program {
  guest: Guest
  id: string
  /** Lets its output go. */
  detach: () => void
}

interface Conversation {
  peer: Peer
  program: Program
  services: Services
  /** What it says, in the form of messages; the last one ends the conversation. */
  events: AsyncIterable<object>
  /** Does what a message asks. */
  heard: (message: Message, stdin: Stdin) => Promise<void>
  /** A failure that does not end the conversation, as a message. */
  failure: (problem: Problem) => object
  leave: Leave
}

/** Resolves when the program has ended and the peer was told, or when the peer has gone. */
export async function converse({
  peer,
  program,
  services,
  events,
  heard,
  failure,
  leave,
}: Conversation): Promise<void> {
  const tell = (error: unknown) => peer.send(failure(toProblem(error)))
  const stdin = new Stdin({ guest: program.guest, selector: program.id, failed: tell })
  void peer.closed.then(program.detach)
  const listening = listen(peer, async (message) => {
    try {
      await heard(message, stdin)
    } catch (error) {
      await tell(error)
    }
  })
  let hasLeft = false
  let last: object = {}
  for await (const event of events) {
    hasLeft = !(await peer.send(event))
    if (hasLeft) break
    last = event
  }
  program.detach()
  if (hasLeft) {
    leave(await peer.closed)
    // Its last words may still be on their way.
    await listening
    await stdin.leave(services.clock)
  } else {
    // After an error the program may well be running.
    leave('type' in last && last.type === 'exit' ? 'ended' : 'lost')
    stdin.drop()
  }
}

async function listen(peer: Peer, heard: (message: Message) => Promise<void>): Promise<void> {
  for (;;) {
    const message = await peer.next()
    if (message === undefined) return
    await heard(message)
  }
}
