import { isProblem, Problem, type ExecBody, type Guest, type SessionRef } from '@wrenn/wire'
import type { Context } from './context.js'
import { newTag, runToEnd, spawn, type Outcome, type Tagged } from './exec.js'
import type { Begun } from './idempotency.js'

/**
 * Programs that may be asked for under an idempotency key. What runs in a capsule cannot be written down together with its
 * own beginning; so it is noted before, and one that was noted is never begun again: at most once.
 */
export class Runs {
  constructor(private readonly context: Pick<Context, 'store'>) {}

  /**
   * Starts a program that outlives the call. One that a server began which died since is found again by its tag.
   * @throws Problem `conflict` when it may have been begun, and is not found
   */
  spawn(guest: Guest, body: ExecBody, begun?: Begun): Promise<SessionRef & Tagged> {
    const tag = body.tag ?? newTag(body)
    return this.#once(begun, {
      tag,
      run: () => spawn(guest, { ...body, tag }),
      // A tag that somebody chose may be another program's by now.
      find: (earlier) => (body.tag === undefined ? found(guest, earlier) : Promise.resolve(undefined)),
    })
  }

  /** Runs a program to its end. Aborting kills it. @throws Problem `conflict` when it may have been begun before */
  run(guest: Guest, body: ExecBody, { signal, begun }: { signal: AbortSignal; begun: Begun | undefined }) {
    const run = () => runToEnd(guest, body, signal)
    return this.#once<Outcome>(begun, { tag: body.tag ?? '', run, find: async () => undefined })
  }

  async #once<T>(begun: Begun | undefined, { tag, run, find }: Once<T>): Promise<T> {
    if (!begun) return run()
    if (begun.earlier !== undefined) {
      const known = await find(begun.earlier)
      if (known) return known
      throw unknown()
    }
    const { store } = this.context
    await begun.note(store, tag)
    try {
      return await run()
    } catch (error) {
      // The caller is told: to try again is its own decision.
      await begun.forget(store)
      throw error
    }
  }
}

interface Once<T> {
  tag: string
  run: () => Promise<T>
  find: (tag: string) => Promise<T | undefined>
}

/** Also one that has ended, as long as the agent remembers it. */
async function found(guest: Guest, tag: string): Promise<(SessionRef & Tagged) | undefined> {
  const leave = new AbortController()
  try {
    const { id, pid } = await guest.attach(tag, { tail: 0 }, leave.signal)
    return { id, pid, tag }
  } catch (error) {
    if (isProblem(error) && error.code === 'not_found') return undefined
    throw error
  } finally {
    leave.abort()
  }
}

function unknown(): Problem {
  return new Problem('conflict', 'The server ended while it ran this command: whether it was run is not known.', {
    hint: 'Look into the capsule; to run it again, use a new Idempotency-Key.',
  })
}
