/** Programs inside capsules: run to the end, or streamed as they run. */
import {
  Problem,
  randomHex,
  type ExecBody,
  type ExecEvent,
  type ExecResultBody,
  type ExecSession,
  type ExecSpec,
  type Guest,
  type OutputStart,
  type SessionRef,
} from '@wrenn/wire'
import { encodePiece, encodeWhole } from './encoding.js'
import { lost, timedOut } from './exec-problems.js'
import { tell } from './tell.js'

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
  /** Aborting is a disconnect. */
  signal: AbortSignal
  /** Is told of a failure before its event is: the event has no details. */
  failed: (error: unknown) => void
}

/** Starts a program and tells what happens, event by event. Failures before the start are thrown, later ones told. */
export async function stream(guest: Guest, body: ExecBody, live: Live): Promise<AsyncGenerator<ExecEvent>> {
  const session = await start(guest, body, live.signal)
  return tell({ session, begin: { offset: 0 }, encode: encodePiece, failed: live.failed, timedOut: timedOut(body) })
}

/** Tells what a program has written and writes. Whoever leaves leaves it alone. */
export async function readOutput(guest: Guest, { selector, start }: Read, live: Live): Promise<Reading> {
  const session = await guest.attach(selector, start, live.signal)
  return { id: session.id, events: tell({ session, begin: session, encode: encodePiece, failed: live.failed }) }
}

interface Read {
  selector: string
  start: OutputStart
}

interface Reading {
  id: string
  events: AsyncGenerator<ExecEvent>
}

export interface Tagged {
  tag: string
}

/** What a program that outlives its call is called where nothing is said. */
export function newTag({ pty }: Pick<ExecBody, 'pty'>): string {
  return `${pty ? 'pty' : 'proc'}-${randomHex(4)}`
}

/** Starts a program that outlives the call. One that was asked for is started even when its client has left. */
export function spawn(guest: Guest, body: ExecBody & Tagged): Promise<SessionRef & Tagged> {
  return guest.spawn({ ...specOf(body), tag: body.tag }, new AbortController().signal)
}

function start(guest: Guest, body: ExecBody, signal: AbortSignal): Promise<ExecSession> {
  const { timeout_sec: limit, on_disconnect: onDisconnect } = body
  return guest.exec({ ...specOf(body), onDisconnect, timeoutMs: limit * 1000 }, signal)
}

function specOf({ timeout_sec: _limit, background: _mode, on_disconnect: _rule, ...spec }: ExecBody): ExecSpec {
  return spec
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
