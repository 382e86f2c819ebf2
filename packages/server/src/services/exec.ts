/** Programs inside capsules: run to the end, or streamed as they run. */
import {
  Problem,
  randomHex,
  toProblem,
  type ExecBody,
  type ExecEvent,
  type ExecResultBody,
  type ExecSession,
  type ExecSpec,
  type Guest,
  type SessionRef,
} from '@wrenn/wire'
import { encodePiece, encodeWhole } from './encoding.js'

/** The most of each stream that a foreground answer holds, in bytes. */
const MOST_OUTPUT = 16 * 1024 * 1024

export type Outcome = Pick<ExecResultBody, 'id' | 'stdout' | 'stderr' | 'exit_code' | 'duration_ms' | 'encoding'>

/**
 * Runs a program to its end. Aborting kills it.
 * @throws Problem `agent_error` when the time limit ran out or it printed too much
 */
export async function runToEnd(guest: Guest, body: ExecBody, signal: AbortSignal): Promise<Outcome> {
  const { id, output } = await start(guest, body, signal)
  const streams = { stdout: new Collected(), stderr: new Collected() }
  for await (const chunk of output) {
    if (chunk.type !== 'exit') streams[chunk.type].add(chunk.data)
    else if (chunk.timedOut) throw timedOut(body)
    else {
      const encoded = encodeWhole(streams.stdout.whole(), streams.stderr.whole())
      return { id, ...encoded, exit_code: chunk.exitCode, duration_ms: chunk.durationMs }
    }
  }
  throw lost()
}

export interface Live {
  /** Aborting kills the program. */
  signal: AbortSignal
  /** Is told of a failure before its event is: the event has no details. */
  failed: (error: unknown) => void
}

/** Starts a program and tells what happens, event by event. Failures before the start are thrown, later ones told. */
export async function stream(guest: Guest, body: ExecBody, live: Live): Promise<AsyncGenerator<ExecEvent>> {
  const session = await start(guest, body, live.signal)
  return tell({ session, begin: { offset: 0 }, failed: live.failed, timedOut: timedOut(body) })
}

type Stream = 'stdout' | 'stderr'

/** Tells what happens in a session from `begin` on. A character that is cut in two is held back until its rest has come. */
async function* tell({ session, begin, failed, timedOut }: Tell): AsyncGenerator<ExecEvent> {
  const { id, pid, tag, output } = session
  const { offset: first, dropped } = begin
  yield {
    type: 'start',
    id,
    pid,
    ...(tag === undefined ? {} : { tag }),
    offset: first,
    ...(dropped ? { dropped } : {}),
  }
  const tails: Record<Stream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  let read = first
  // What the client has been told completely: of what is held back it would miss the beginning.
  const offset = () => read - tails.stdout.length - tails.stderr.length
  try {
    for await (const chunk of output) {
      if (chunk.type === 'exit') {
        for (const type of ['stdout', 'stderr'] as const) {
          const { event } = encodePiece(tails[type])
          tails[type] = Buffer.alloc(0)
          if (event.data !== '') yield { type, ...event, offset: offset() }
        }
        if (chunk.timedOut) throw timedOut
        yield { type: 'exit', exit_code: chunk.exitCode, duration_ms: chunk.durationMs }
        return
      }
      read += chunk.data.length
      const { event, tail } = encodePiece(Buffer.concat([tails[chunk.type], chunk.data]), { mayContinue: true })
      tails[chunk.type] = tail
      if (event.data !== '') yield { type: chunk.type, ...event, offset: offset() }
    }
    throw lost()
  } catch (error) {
    failed(error)
    const { code, message } = toProblem(error)
    yield { type: 'error', code, message }
  }
}

interface Tell {
  session: ExecSession
  /** Where its output begins. */
  begin: { offset: number; dropped?: boolean }
  failed: (error: unknown) => void
  timedOut: Problem
}

/** Starts a program that outlives the call. One that was asked for is started even when its client has left. */
export function spawn(guest: Guest, body: ExecBody): Promise<SessionRef & { tag: string }> {
  return guest.spawn(
    { ...specOf(body), tag: body.tag ?? `${body.pty ? 'pty' : 'proc'}-${randomHex(4)}` },
    new AbortController().signal,
  )
}

function start(guest: Guest, body: ExecBody, signal: AbortSignal): Promise<ExecSession> {
  return guest.exec({ ...specOf(body), timeoutMs: body.timeout_sec * 1000 }, signal)
}

function specOf({ timeout_sec: _limit, background: _mode, on_disconnect: onDisconnect, ...spec }: ExecBody): ExecSpec {
  return { ...spec, onDisconnect }
}

function lost(): Problem {
  return new Problem('agent_error', 'The capsule was lost while the program ran.')
}

/** Without the command: the message is logged, and a request's body is not. */
function timedOut({ timeout_sec }: ExecBody): Problem {
  return new Problem('agent_error', `The program timed out: it did not end in ${timeout_sec} s, and was killed.`, {
    hint: 'Raise timeout_sec, or run it in the background.',
  })
}

/** One stream's output so far. */
class Collected {
  readonly #chunks: Uint8Array[] = []
  #size = 0

  add(chunk: Uint8Array): void {
    this.#size += chunk.length
    if (this.#size > MOST_OUTPUT) {
      throw new Problem('agent_error', `The program printed more than ${MOST_OUTPUT} bytes, and was killed.`, {
        hint: 'Stream its output (Accept: application/x-ndjson), or send it to a file and read that.',
      })
    }
    this.#chunks.push(chunk)
  }

  whole(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}
