/** What a program that outlives us says on its way. */
import { close, write } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** Bytes of it that are written down; what comes later is forgotten. */
const MOST = 64 * 1024
/** Bytes of its end that are kept in memory. */
const TAIL = 2048

/**
 * Writes the beginning of what comes to a file, and closes that at the end. We stay for none of it: once we are gone,
 * what the program says goes nowhere.
 *
 * @returns what gives the last that was said so far
 */
export function keepOutput(streams: readonly Readable[], file: number): () => string {
  let left = MOST
  let tail = ''
  let open = streams.length
  let writing = 0
  const closeWhenDone = () => {
    if (open === 0 && writing === 0) close(file, () => {})
  }
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-TAIL)
    const part = chunk.subarray(0, left)
    left -= part.length
    if (part.length === 0) return
    writing++
    write(file, part, () => {
      writing--
      closeWhenDone()
    })
  }
  for (const stream of streams) {
    stream.on('data', keep).on('error', () => {})
    stream.once('close', () => {
      open--
      closeWhenDone()
    })
    ;(stream as Socket).unref()
  }
  return () => tail.trim()
}
