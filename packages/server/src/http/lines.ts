/** Answers of lines of JSON. */
import type { Clock } from '../services/clock.js'

export const NDJSON = 'application/x-ndjson'
/** How often a line comes at least where nothing happens for long, in milliseconds. */
const QUIET_MS = 30_000

export async function* lines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const item of items) yield JSON.stringify(item) + '\n'
}

/** Lines with empty ones between them: one at once, which carries the answer's head, and one whenever it was quiet for long. */
export async function* keptAlive(items: AsyncIterable<unknown>, clock: Clock): AsyncGenerator<string> {
  const iterator = lines(items)
  let next = iterator.next()
  // It is looked at below, sooner or later; until then a failure is not one that nobody sees.
  next.catch(() => {})
  try {
    yield '\n'
    for (;;) {
      const result = await Promise.race([next, quiet(next, clock)])
      if (result === undefined) yield '\n'
      else if (result.done) return
      else {
        yield result.value
        next = iterator.next()
        next.catch(() => {})
      }
    }
  } finally {
    await iterator.return(undefined)
  }
}

/** Resolves after the quiet time, unless `next` comes first. */
function quiet(next: Promise<unknown>, clock: Clock): Promise<undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(QUIET_MS, () => resolve(undefined))
    next.then(cancel, cancel)
  })
}
