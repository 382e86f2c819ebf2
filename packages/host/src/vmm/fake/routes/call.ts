/** What the fake agent's answers are made of. */
import type { ServerHttp2Stream } from 'node:http2'
import { roomIn } from '../../../wait.js'
import { FakeError } from '../failure.js'
import type { FakeGuest } from '../guest.js'

export const answered = Symbol('answered')
/** A JSON answer; undefined answers 204. Who writes the stream itself says `answered`. */
export type Answer = object | undefined | typeof answered

export interface Call {
  guest: FakeGuest
  stream: ServerHttp2Stream
  query: URLSearchParams
  /** The one segment of the path that varies. */
  selector: string
}

/** By method and path; `*` is the call's selector. */
export type Routes = Record<string, (call: Call) => Promise<Answer> | Answer>

/** Resolves when the stream has room for more, or is gone. */
export async function written(stream: ServerHttp2Stream, data: Uint8Array): Promise<void> {
  if (!stream.destroyed && !stream.write(data)) await roomIn(stream)
}

/** A request's body as it comes. @throws when it breaks off, which an HTTP/2 stream shows as an end */
export async function* chunksOf(stream: ServerHttp2Stream): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk
  if (stream.aborted || stream.rstCode) throw new FakeError('invalid', 'The request broke off.')
}

export async function bytesOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function jsonOf(stream: ServerHttp2Stream): Promise<unknown> {
  return JSON.parse((await bytesOf(stream)).toString())
}
