/**
 * What becomes of programs whose clients leave. In the capsule a streamed program outlives its stream, so that a lost connection can be
 * taken up again; here it is decided when nobody will. A program lives as long as somebody is attached: when the last one has closed its
 * socket it is killed at once, and when that socket was lost, after a minute. Whoever started it may have asked to keep it.
 */
import { isProblem } from '@wrenn/wire'
import type { Context } from './context.js'

/** How long a program whose client was lost waits to be taken up again, in milliseconds. */
const GRACE_MS = 60_000

/** How a client left: after the program's end, by closing its socket, or without a word. */
export type Leaving = 'ended' | 'closed' | 'lost'
export type Leave = (how: Leaving) => void

interface Attended {
  capsuleId: string
  id: string
  attached: number
  /** Calls the kill off. */
  spare: () => void
}

export class Sessions {
  readonly #attended = new Map<string, Attended>()
  #isOff = false

  constructor(private readonly context: Context) {}

  /** A program was started that is to live no longer than somebody cares; its client is attached. */
  started(capsuleId: string, id: string): Leave {
    this.#attended.set(keyOf(capsuleId, id), { capsuleId, id, attached: 0, spare: () => {} })
    return this.attached(capsuleId, id)
  }

  /** A client is attached to a program, which need not be one of those. */
  attached(capsuleId: string, id: string): Leave {
    const session = this.#attended.get(keyOf(capsuleId, id))
    if (!session) return () => {}
    session.attached++
    session.spare()
    let hasLeft = false
    return (how) => {
      if (hasLeft) return
      hasLeft = true
      this.#left(session, how)
    }
  }

  /** Nothing is killed any more: when the server ends, programs go on. */
  stop(): void {
    this.#isOff = true
    for (const { spare } of this.#attended.values()) spare()
    this.#attended.clear()
  }

  #left(session: Attended, how: Leaving): void {
    session.attached--
    if (this.#isOff) return
    if (how === 'ended') this.#forget(session)
    else if (session.attached > 0) return
    else if (how === 'closed') void this.#kill(session)
    else session.spare = this.context.clock.after(GRACE_MS, () => void this.#kill(session))
  }

  #forget({ capsuleId, id }: Attended): void {
    this.#attended.delete(keyOf(capsuleId, id))
  }

  async #kill(session: Attended): Promise<void> {
    this.#forget(session)
    const { capsuleId, id } = session
    try {
      const guest = this.context.fleet.hostFor(capsuleId).guest(capsuleId)
      await guest.kill(id, 'SIGKILL', new AbortController().signal)
    } catch (err) {
      // It has ended by itself, or its capsule has.
      if (isProblem(err) && err.status < 500) return
      this.context.log.warn({ err, capsule: capsuleId }, 'a program that its client left could not be killed')
    }
  }
}

function keyOf(capsuleId: string, id: string): string {
  return `${capsuleId}/${id}`
}
