/** The frames of an exec: type (1 byte), length (4 bytes, big endian), payload. */

export const frameTypes = {
  start: 0x01,
  stdin: 0x02,
  stdinEnd: 0x03,
  signal: 0x04,
  resize: 0x05,
  started: 0x81,
  stdout: 0x82,
  stderr: 0x83,
  exited: 0x84,
  position: 0x85,
} as const

export interface Frame {
  type: number
  payload: Buffer
}

const HEADER = 5
/** The most that the agent puts into one frame; more is not the agent speaking. */
const MOST_FROM_AGENT = 64 * 1024

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(type, 0)
  header.writeUInt32BE(payload.length, 1)
  return Buffer.concat([header, payload])
}

/**
 * Cuts a byte stream into frames.
 *
 * @param most the longest payload that is taken, in bytes
 * @throws when a frame is longer, or the stream ends inside of one
 */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>, most = MOST_FROM_AGENT): AsyncGenerator<Frame> {
  let parts: Uint8Array[] = []
  let size = 0
  let wanted = HEADER
  for await (const chunk of chunks) {
    size += chunk.length
    // Put together only when a frame is whole: a frame may come byte by byte. Until then a copy is kept, since a piece of a
    // few bytes would keep all that it was read with.
    parts.push(size < wanted ? Buffer.from(chunk) : chunk)
    if (size < wanted) continue
    let rest = joined(parts)
    wanted = HEADER
    while (rest.length >= HEADER) {
      const length = rest.readUInt32BE(1)
      if (length > most) throw new Error(`a frame of ${length} bytes`)
      wanted = HEADER + length
      if (rest.length < wanted) break
      yield { type: rest.readUInt8(0), payload: rest.subarray(HEADER, wanted) }
      rest = rest.subarray(wanted)
      wanted = HEADER
    }
    parts = rest.length === 0 ? [] : [Buffer.from(rest)]
    size = rest.length
  }
  if (size > 0) throw new Error('the stream ends inside of a frame')
}

function joined(parts: Uint8Array[]): Buffer {
  const [only] = parts
  if (parts.length > 1 || !only) return Buffer.concat(parts)
  return Buffer.from(only.buffer, only.byteOffset, only.length)
}
