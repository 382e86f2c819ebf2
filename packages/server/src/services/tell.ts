/** A session's output, told event by event. */
import { Problem, toProblem, type ExecChunk, type ExecEvent, type ExecSession } from '@wrenn/wire'
import { lost } from './exec-problems.js'

type Stream = 'stdout' | 'stderr'

/** Makes an event's fields of a piece of output, and says what of it has to wait for the next piece. */
export type Encode<Piece> = (piece: Buffer, how?: { mayContinue?: boolean }) => { event: Piece; tail: Buffer }

export interface Tell<Piece> {
  session: ExecSession
  /** Where its output begins. */
  begin: { offset: number; dropped?: boolean }
  encode: Encode<Piece>
  /** Is told of a failure before its event is: the event has no details. */
  failed: (error: unknown) => void
  /** What is said when its time limit has run out. */
  timedOut?: Problem
}

type Told<Piece> = Exclude<ExecEvent, { type: Stream }> | ({ type: Stream; offset: number } & Piece)

/** Tells what happens in a session from `begin` on. A character that is cut in two is held back until its rest has come. */
export async function* tell<Piece extends { data: string }>(asked: Tell<Piece>): AsyncGenerator<Told<Piece>> {
  const { session, begin, failed } = asked
  yield start(session, begin)
  const pieces = new Pieces(begin.offset, asked.encode)
  try {
    for await (const chunk of session.output) {
      if (chunk.type !== 'exit') {
        const piece = pieces.next(chunk)
        if (piece) yield piece
        continue
      }
      yield* pieces.rest()
      if (chunk.timedOut) throw asked.timedOut ?? new Problem('agent_error', 'The program timed out, and was killed.')
      yield { type: 'exit', exit_code: chunk.exitCode, duration_ms: chunk.durationMs }
      return
    }
    throw lost()
  } catch (error) {
    failed(error)
    const { code, message } = toProblem(error)
    yield { type: 'error', code, message }
  }
}

function start(
  { id, pid, tag }: ExecSession,
  { offset, dropped }: Tell<unknown>['begin'],
): ExecEvent & { type: 'start' } {
  return {
    type: 'start',
    id,
    pid,
    ...(tag === undefined ? {} : { tag }),
    offset,
    ...(dropped ? { dropped } : {}),
  }
}

/** Both streams' output, as events. */
class Pieces<Piece extends { data: string }> {
  /** The beginnings of characters that are held back, and where each stands. */
  readonly #held: Record<Stream, { bytes: Buffer; at: number }>
  #read: number

  constructor(
    begin: number,
    private readonly encode: Encode<Piece>,
  ) {
    this.#read = begin
    this.#held = { stdout: { bytes: Buffer.alloc(0), at: 0 }, stderr: { bytes: Buffer.alloc(0), at: 0 } }
  }

  next({ type, data }: Exclude<ExecChunk, { type: 'exit' }>): Told<Piece> | undefined {
    const held = this.#held[type]
    this.#read += data.length
    const { event, tail } = this.encode(Buffer.concat([held.bytes, data]), { mayContinue: true })
    // One that still isn't whole began in an earlier piece, and between its bytes may stand those of the other stream.
    const at = tail.length > data.length ? held.at : this.#read - tail.length
    this.#held[type] = { bytes: tail, at }
    return event.data === '' ? undefined : { type, ...event, offset: this.#offset() }
  }

  /** What is held back although nothing will follow it. */
  *rest(): Generator<Told<Piece>> {
    for (const type of ['stdout', 'stderr'] as const) {
      const { event } = this.encode(this.#held[type].bytes)
      this.#held[type] = { bytes: Buffer.alloc(0), at: 0 }
      if (event.data !== '') yield { type, ...event, offset: this.#offset() }
    }
  }

  /** The first byte that has not been told: whoever goes on from here misses nothing, and may hear something twice. */
  #offset(): number {
    return Math.min(this.#read, ...Object.values(this.#held).map(({ bytes, at }) => (bytes.length > 0 ? at : Infinity)))
  }
}
