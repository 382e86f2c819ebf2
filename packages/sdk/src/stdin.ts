/** What is written to a program. */
import { joined, pieces, toBytes } from './bytes.js'
import { WrennConflictError, WrennNotFoundError } from './errors.js'
import { processPath, type Place } from './follow.js'
import type { RequestOptions } from './transport.js'

/** The most that one request carries. */
const MOST_BYTES = 256 * 1024

/** What a program is given to read: all at once, or as it comes. */
export type Input = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<string | Uint8Array>

/** Resolves when the program has taken all of it, which may be long after. */
export async function writeStdin(
  { transport, path }: Place,
  selector: string | number,
  { data, signal }: RequestOptions & { data: string | Uint8Array },
): Promise<void> {
  for (const piece of pieces(toBytes(data), MOST_BYTES))
    await transport.done({
      method: 'POST',
      path: `${processPath(path, selector)}/stdin`,
      body: piece as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'application/octet-stream' },
      timeoutMs: 0,
      signal,
    })
}

/** Closes a program's stdin, behind what has been written. */
export function endStdin(
  { transport, path }: Place,
  selector: string | number,
  { signal }: RequestOptions = {},
): Promise<void> {
  return transport.done({
    method: 'POST',
    path: `${processPath(path, selector)}/stdin/end`,
    timeoutMs: 0,
    signal,
  })
}

/**
 * Gives a program what it is to read, at the pace at which it reads, and closes its stdin. A program that has ended or
 * reads no more is no failure. Aborting ends it, with the input.
 */
export async function feed(
  place: Place,
  selector: string,
  { input, signal }: { input: Input; signal: AbortSignal },
): Promise<void> {
  const source = iterate(input)
  const aborted = new Promise<undefined>((resolve) =>
    signal.addEventListener('abort', () => resolve(undefined), { once: true }),
  )
  try {
    for (;;) {
      const next = await Promise.race([source.next(), aborted])
      if (!next || signal.aborted) return
      if (next.done) break
      await writeStdin(place, selector, { data: next.value, signal })
    }
    await endStdin(place, selector, { signal })
  } catch (error) {
    const readsNoMore = error instanceof WrennConflictError || error instanceof WrennNotFoundError
    if (!readsNoMore && !signal.aborted) throw error
  } finally {
    // Not awaited: an iterator that waits for something ends only after it.
    source.return?.()?.catch(() => {})
  }
}

function iterate(input: Input): AsyncIterator<string | Uint8Array> {
  if (typeof input === 'string' || input instanceof Uint8Array) return once(input)
  // Not every browser's streams can be iterated.
  if (Symbol.asyncIterator in input) return input[Symbol.asyncIterator]()
  const reader = (input as ReadableStream<Uint8Array>).getReader()
  return {
    next: async () => (await reader.read()) as IteratorResult<Uint8Array>,
    return: async () => {
      await reader.cancel()
      return { done: true, value: undefined }
    },
  }
}

async function* once(data: string | Uint8Array) {
  yield data
}

/**
 * Writes to a program one request after the other, in order. What is written while one is under way goes together with the
 * next.
 */
export class Typing {
  #waiting: Uint8Array[] = []
  #last: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(private readonly send: (data: Uint8Array) => Promise<void>) {}

  /** Resolves when the program has taken it; until then, it is held in memory. */
  write(data: string | Uint8Array): Promise<void> {
    // A copy: the caller may use its buffer for something else.
    this.#waiting.push(typeof data === 'string' ? toBytes(data) : data.slice())
    return (this.#next ??= this.#flushAfter(this.#last))
  }

  /** Does something behind all that has been written. */
  async after<T>(then: () => Promise<T>): Promise<T> {
    await (this.#next ?? this.#last).catch(() => {})
    return then()
  }

  async #flushAfter(last: Promise<void>): Promise<void> {
    // Its own writer has been told of a failure.
    await last.catch(() => {})
    const data = joined(this.#waiting)
    this.#waiting = []
    this.#last = this.#next!
    this.#next = undefined
    await this.send(data)
  }
}
