/**
 * Cuts a byte stream into lines of UTF-8, without their ends. An empty line is left out.
 *
 * @param most the longest line that is taken, in bytes
 * @throws when a line is longer, or the stream ends inside of one
 */
export async function* decodeLines(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      if (size + end > most) throw new Error(`a line of more than ${most} bytes`)
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString()
      if (line) yield line
      rest = rest.subarray(end + 1)
      parts = []
      size = 0
    }
    size += rest.length
    if (size > most) throw new Error(`a line of more than ${most} bytes`)
    // A copy: a piece of a few bytes would keep all that it was read with.
    if (rest.length > 0) parts.push(Buffer.from(rest))
  }
  if (size > 0) throw new Error('the stream ends inside of a line')
}
