import type { KillSignal, TerminalSize } from '@wrenn/wire'
import type { ServerHttp2Stream } from 'node:http2'
import { decodeFrames, encodeFrame, frameTypes, type Frame } from '../../../agent/frames.js'
import { FakeError } from '../failure.js'
import type { Reader } from '../sessions/log.js'
import type { Session, StartProgram } from '../sessions/session.js'
import { answered, chunksOf, written, type Answer, type Call } from './call.js'

const MOST_FROM_HOST = 4 * 1024 * 1024

/** Starts a program; an attached one is read and written by this stream. */
export async function exec({ guest, stream }: Call): Promise<Answer> {
  const frames = decodeFrames(chunksOf(stream), MOST_FROM_HOST)
  const first = (await frames.next()).value as Frame | undefined
  if (first?.type !== frameTypes.start) throw new FakeError('invalid', 'The first frame must be start.')
  const spec = JSON.parse(first.payload.toString()) as StartProgram
  const session = guest.sessions.start(spec)
  const { id, pid, tag } = session.body
  stream.respond({ ':status': 200 })
  await written(stream, encodeFrame(frameTypes.started, jsonBytes({ id, pid, tag })))
  if (spec.detached) {
    stream.end()
    return answered
  }
  const onClose = () => {
    if (!session.isKept) session.signal('SIGKILL')
  }
  stream.once('close', onClose)
  void feed(session, frames)
  await sendOutput(stream, session, session.log.read())
  stream.off('close', onClose)
  return answered
}

/** Sends a session's output from where the reader stands, and how it ended. */
export async function sendOutput(stream: ServerHttp2Stream, session: Session, reader: Reader): Promise<void> {
  if (stream.destroyed) reader.leave()
  stream.once('close', () => reader.leave())
  for await (const { kind, data } of reader.pieces) await written(stream, encodeFrame(frameTypes[kind], data))
  if (stream.destroyed) return
  await written(stream, encodeFrame(frameTypes.exited, jsonBytes(await session.exited)))
  stream.end()
}

export function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Does what the host's frames say. */
async function feed(session: Session, frames: AsyncIterable<Frame>): Promise<void> {
  try {
    for await (const { type, payload } of frames) {
      if (type === frameTypes.stdin) await session.write(payload).catch(() => {})
      else if (type === frameTypes.stdinEnd) session.endStdin()
      else if (type === frameTypes.signal) session.signal(jsonIn<{ signal: KillSignal }>(payload).signal)
      else if (type === frameTypes.resize) session.resize(jsonIn<TerminalSize>(payload))
    }
    session.endStdin()
  } catch {
    // A request that breaks off is not the end of stdin, and a terminal's has none.
  }
}

function jsonIn<T>(payload: Buffer): T {
  return JSON.parse(payload.toString()) as T
}
