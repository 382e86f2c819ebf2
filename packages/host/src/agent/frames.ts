/** The frames of an exec: type (1 byte), length (4 bytes, big endian), payload. */

export const frameTypes = {
  start: 0x01,
  stdin: 0x02,
  stdinEnd: 0x03,
  signal: 0x04,
  started: 0x81,
  stdout: 0x82,
  stderr: 0x83,
  exited: 0x84,
} as const

export interface Frame {
  type: number
  payload: Buffer
}

const HEADER = 5
/** The most that the agent puts into one frame; more is not the agent speaking. */
const MOST_PAYLOAD = 64 * 1024

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(type, 0)
  header.writeUInt32BE(payload.length, 1)
  return Buffer.concat([header, payload])
}

/**
 * Cuts a byte stream into frames.
 *
 * @throws when a frame is longer than the agent's are, or the stream ends inside of one
 */
export async function* decodeFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let buffered: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    while (buffered.length >= HEADER) {
      const length = buffered.readUInt32BE(1)
      if (length > MOST_PAYLOAD) throw new Error(`a frame of ${length} bytes`)
      if (buffered.length < HEADER + length) break
      yield { type: buffered.readUInt8(0), payload: buffered.subarray(HEADER, HEADER + length) }
      buffered = buffered.subarray(HEADER + length)
    }
  }
  if (buffered.length > 0) throw new Error('the stream ends inside of a frame')
}
