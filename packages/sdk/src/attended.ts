/** Programs that run as long as somebody listens. */
import { follow, kill, type CommandEvent, type Open, type Place } from './follow.js'
import { parseLine, readLines } from './lines.js'
import { feed, type Input } from './stdin.js'
import type { Ask, RequestOptions } from './transport.js'

/** How long the end of a program that nobody wants any more may take, in milliseconds. */
const ENDING_MS = 5_000

export interface Attended extends RequestOptions {
  /** The request that starts it. */
  ask: Ask
  /** What is given to it to read. */
  input: Input | undefined
  /** Whether it goes on when nobody listens any more. */
  keep: boolean
}

/**
 * Starts a program and tells what happens. A connection that is lost is made again; leaving the loop or aborting ends the
 * program, unless it is to be kept.
 */
export async function* attended(
  place: Place,
  { ask, input, keep, signal }: Attended,
): AsyncGenerator<CommandEvent, void, undefined> {
  const over = new AbortController()
  const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal
  let running: string | undefined
  try {
    for await (const event of follow(place, starting(place, { ask, keep }), { signal: either })) {
      if (event.type === 'start') {
        running = event.id
        // Without its input, the program would not do what was asked.
        if (input !== undefined)
          feed(place, event.id, { input, signal: either }).catch((error: unknown) => over.abort(error))
      }
      if (event.type === 'exit') running = undefined
      yield event
    }
  } finally {
    over.abort()
    if (running !== undefined && !keep) await endQuietly(place, running)
  }
}

/** Aborting does not break the request off before its answer: a program that nobody knows could not be ended. */
function starting(place: Place, { ask, keep }: Pick<Attended, 'ask' | 'keep'>): Open {
  return async (signal) => {
    signal.throwIfAborted()
    const connection = new AbortController()
    const answer = place.transport.send({ ...ask, signal: connection.signal })
    let giveUp = () => {}
    const aborted = new Promise<never>((_, reject) => {
      giveUp = () => reject(signal.reason as Error)
    })
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      const response = await Promise.race([answer, aborted])
      signal.addEventListener('abort', () => connection.abort(signal.reason), { once: true })
      return response
    } catch (error) {
      if (!keep) void answer.then((response) => endUnseen(place, response)).catch(() => {})
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }
}

async function endUnseen(place: Place, response: Response): Promise<void> {
  for await (const line of readLines(response.body!)) {
    const event = parseLine<{ type: string; id: string }>(line)
    if (event.type === 'start') return endQuietly(place, event.id)
  }
}

/** It may have ended, and nobody waits for it. */
async function endQuietly(place: Place, id: string): Promise<void> {
  await kill(place, id, { how: 'SIGKILL', timeoutMs: ENDING_MS }).catch(() => {})
}
