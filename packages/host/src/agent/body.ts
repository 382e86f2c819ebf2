/** The bodies of the agent's answers. */
import type { ClientHttp2Stream } from 'node:http2'
import { isProblem, Problem } from '@wrenn/wire'
import { within } from '../wait.js'

export interface Whole {
  /** The longest that it may be, in bytes. */
  most: number
  ms: number
  /** Told of bytes that are held, and of those that are let go as negative ones; may refuse by throwing. */
  onHeld?: (bytes: number) => void
}

/**
 * Reads a whole answer.
 *
 * @throws when it is longer than `most` bytes or does not end in `ms`
 */
export async function wholeBody(body: ClientHttp2Stream, { most, ms, onHeld }: Whole): Promise<Buffer> {
  try {
    const collected = collect(body, { most, onHeld: onHeld ?? (() => {}) })
    return await within(ms, collected, () => new Error(`its answer does not end in ${ms} ms`))
  } finally {
    body.destroy()
  }
}

/** Pieces are put together as they come: one of a few bytes would keep all that it was read with. */
async function collect(body: ClientHttp2Stream, { most, onHeld }: Required<Omit<Whole, 'ms'>>): Promise<Buffer> {
  let held = Buffer.alloc(0)
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const needed = size + chunk.length
      if (needed > most) throw new Error(`an answer of more than ${most} bytes`)
      if (needed > held.length) {
        const larger = Buffer.alloc(Math.min(most, Math.max(needed, held.length * 2, 4096)))
        onHeld(larger.length - held.length)
        held.copy(larger, 0, 0, size)
        held = larger
      }
      chunk.copy(held, size)
      size = needed
    }
    return held.subarray(0, size)
  } finally {
    onHeld(-held.length)
  }
}

/**
 * An answer as it comes, at the pace of its reader. Leaving the iteration drops the request.
 *
 * @param stallMs how long the next piece may take while the reader waits for it; for ever by default
 * @throws {Problem} `agent_error` when it breaks off
 */
export async function* contentOf(
  body: ClientHttp2Stream,
  signal: AbortSignal,
  stallMs?: number,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  const late = () => new Error(`nothing more in ${stallMs} ms`)
  try {
    for (;;) {
      const next = chunks.next()
      const { done, value } = await (stallMs === undefined ? next : within(stallMs, next, late))
      if (done) return
      yield value
    }
  } catch (error) {
    signal.throwIfAborted()
    throw isProblem(error) ? error : brokenOff(error)
  } finally {
    body.destroy()
  }
}

/**
 * Node.js gives what comes as views of all that was read with it. So that a byte that waits for its reader does not keep 64 KiB
 * of something else, pieces that are a small part of that are copied.
 */
export function keepOnlyWhatCame(body: ClientHttp2Stream): void {
  const push = body.push.bind(body)
  body.push = (chunk: unknown, encoding) => {
    const isSmall = Buffer.isBuffer(chunk) && chunk.length < chunk.buffer.byteLength / 2
    return push(isSmall ? Buffer.from(chunk) : chunk, encoding)
  }
}

/** The Problem of an answer that ends before its end. */
export function brokenOff(cause?: unknown): Problem {
  return new Problem('agent_error', 'The capsule broke off in the middle of its answer.', {
    cause,
    hint: 'What it had said before is right. The capsule may have ended, or what was read may have changed meanwhile.',
  })
}
