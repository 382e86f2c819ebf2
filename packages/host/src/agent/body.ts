/** The bodies of the agent's answers. */
import type { ClientHttp2Stream } from 'node:http2'
import { isProblem, Problem } from '@wrenn/wire'
import { within } from '../wait.js'

/**
 * Reads a whole answer.
 *
 * @throws when it is longer than `most` bytes or does not end in `ms`
 */
export async function wholeBody(body: ClientHttp2Stream, { most, ms }: { most: number; ms: number }): Promise<Buffer> {
  try {
    return await within(ms, collect(body, most), () => new Error(`its answer does not end in ${ms} ms`))
  } finally {
    body.destroy()
  }
}

async function collect(body: ClientHttp2Stream, most: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > most) throw new Error(`an answer of more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * An answer as it comes, at the pace of its reader. Leaving the iteration drops the request.
 *
 * @throws {Problem} `agent_error` when it breaks off
 */
export async function* contentOf(body: ClientHttp2Stream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) yield chunk
  } catch (error) {
    signal.throwIfAborted()
    throw isProblem(error) ? error : brokenOff(error)
  } finally {
    body.destroy()
  }
}

/** The Problem of an answer that ends before its end. */
export function brokenOff(cause?: unknown): Problem {
  return new Problem('agent_error', 'The capsule broke off in the middle of its answer.', {
    cause,
    hint: 'What it had said before is right. The capsule may have ended, or what was read may have changed meanwhile.',
  })
}
