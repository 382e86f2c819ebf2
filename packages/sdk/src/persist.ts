/** Streams that outlive their connection. */
import { WrennTimeoutError } from './errors.js'
import { delay, isPassing } from './retry.js'

const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 10_000
/** A connection that held for so long was a good one; what failed before it counts no more. */
const GOOD_MS = 2_000

export interface Persistence {
  signal?: AbortSignal | undefined
  /** How often in a row a connection is tried anew. Default 8: about half a minute. */
  tries?: number
}

/** A connection, being made for the first time or again; says when it has been. */
export type Connect<T> = (again: boolean, connected: () => void) => AsyncIterable<T>

/**
 * Goes on with `connect(true)` where `connect(false)` lost its connection. One that never was is not made again.
 * @throws {WrennConnectionError} when no new connection can be had
 */
export async function* persist<T>(connect: Connect<T>, { signal, tries = 8 }: Persistence = {}): AsyncGenerator<T> {
  let failures = 0
  for (let again = false; ;) {
    let since = Infinity
    const connected = () => {
      since = Date.now()
      again = true
    }
    try {
      yield* connect(again, connected)
      return
    } catch (error) {
      signal?.throwIfAborted()
      if (Date.now() - since >= GOOD_MS) failures = 0
      const passing = isPassing(error) || error instanceof WrennTimeoutError
      if (!again || !passing || failures >= tries) throw error
    }
    await delay(Math.min(FIRST_DELAY_MS * 2 ** failures++, LONGEST_DELAY_MS) * (0.5 + Math.random()), signal)
  }
}
