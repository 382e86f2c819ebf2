/** Has every part look, each for so long and for so much; what fails leaves its reason, and the rest goes on. */
import { reasonOf } from '@wrenn/host/doctor'
import type { Case, Entry, Found, Part } from './part.js'

/** How long a part may take that says nothing else, in milliseconds. */
const PATIENCE_MS = 10_000
/** How much one file may hold, and all of them, in characters. */
const MOST_OF_ONE = 1024 * 1024
const MOST_OF_ALL = 10 * 1024 * 1024

export interface Collected {
  entries: Entry[]
  /** What is left out, and why, by the names of parts. */
  leftOut: { part: string; why: string }[]
}

/** @param redact what all content goes through */
export async function collect(
  about: Case,
  parts: readonly Part[],
  redact: (text: string) => string,
): Promise<Collected> {
  const collected: Collected = { entries: [], leftOut: [] }
  let room = MOST_OF_ALL
  for (const part of parts) {
    about.subject.onProgress(part.name)
    const { entries, leftOut = [] } = await look(part, about)
    about.subject.signal.throwIfAborted()
    const leave = (why: string) => collected.leftOut.push({ part: part.name, why: redact(why) })
    leftOut.forEach(leave)
    for (const { name, content } of entries) {
      const cut = redact(content.slice(0, MOST_OF_ONE))
      if (content.length > MOST_OF_ONE) leave(`the end of ${name}: it is longer than 1 MiB`)
      if (cut.length > room) {
        leave(`${name}: the bundle is as large as it may be`)
        continue
      }
      room -= cut.length
      collected.entries.push({ name, content: cut })
    }
  }
  return collected
}

async function look(part: Part, about: Case): Promise<Found> {
  const patienceMs = part.patienceMs ?? PATIENCE_MS
  const late = AbortSignal.timeout(patienceMs)
  const signal = AbortSignal.any([late, about.signal])
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  )
  try {
    return await Promise.race([part.collect({ ...about, signal }), aborted])
  } catch (error) {
    const why = late.aborted ? `it took longer than ${patienceMs / 1000} s` : reasonOf(error)
    return { entries: [], leftOut: [`all of it: ${why}`] }
  }
}
