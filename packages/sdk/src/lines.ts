import { strangeAnswer, WrennConnectionError } from './errors.js'

/** The longest line that is put together, in characters: many times what the API ever sends. */
const LONGEST = 16 * 2 ** 20

/**
 * The lines of a UTF-8 byte stream that hold anything; blank ones only keep a connection alive. Leaving the loop cancels
 * the stream.
 * @throws {WrennConnectionError} when the stream breaks off
 */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  for await (const line of readAllLines(stream)) if (line.trim()) yield line
}

/** Every line, without its end. */
export function readAllLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  return splitLines(chunksOf(stream))
}

/** The lines of UTF-8 that comes in chunks, which may cut through characters. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    // What is waiting has no end of line in it: only what is new is searched.
    const lines = decoder.decode(chunk, { stream: true }).split('\n')
    lines[0] = rest + lines[0]
    rest = lines.pop()!
    if (rest.length > LONGEST) throw strangeAnswer(rest, { status: 200, requestId: undefined })
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  rest += decoder.decode()
  if (rest) yield rest
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (let read = await reader.read().catch(brokenOff); !read.done; read = await reader.read().catch(brokenOff))
      yield read.value
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** A line as a value. One that is not whole was cut off with its connection. */
export function parseLine<T>(line: string): T {
  try {
    return JSON.parse(line) as T
  } catch (error) {
    return brokenOff(error)
  }
}

/** fetch says little, and every runtime something else. */
function brokenOff(error: unknown): never {
  throw new WrennConnectionError('The connection was lost.', { code: 'connection', status: 0, cause: error })
}
