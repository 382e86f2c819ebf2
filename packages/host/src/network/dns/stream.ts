/** Messages over TCP: each with its length before it. */
import type { Readable } from 'node:stream'

const LENGTH = 2

/** A message as it goes over TCP. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** The messages that come; at most one of them, of 64 KiB, is held. */
export async function* messagesOf(stream: Readable): AsyncGenerator<Buffer> {
  let kept: Buffer = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    kept = Buffer.concat([kept, chunk])
    for (;;) {
      const end = kept.length < LENGTH ? Infinity : LENGTH + kept.readUInt16BE()
      if (kept.length < end) break
      yield kept.subarray(LENGTH, end)
      kept = kept.subarray(end)
    }
  }
}
