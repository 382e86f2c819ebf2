/** A program's output, from wherever it is wanted, over as many connections as it takes. */
import type { ExecEvent, KillSignal } from '@wrenn/wire'
import { fromBase64, toBytes } from './bytes.js'
import { errorOf, WrennConnectionError } from './errors.js'
import { parseLine, readLines } from './lines.js'
import { persist } from './persist.js'
import type { RequestOptions, Transport } from './transport.js'

/** What happens while a program runs; the last is `exit`. */
export type CommandEvent =
  | { type: 'start'; pid: number; id: string; tag?: string; offset: number }
  /** Output that was asked for is lost: nobody read it while there was room to keep it. */
  | { type: 'dropped' }
  /** `offset` is that of what follows, for `attach`. */
  | { type: 'stdout' | 'stderr'; data: Uint8Array; offset: number }
  /** The exit code is -1 when a signal ended it. */
  | { type: 'exit'; exitCode: number; durationMs: number }

/** Where in a program's output to begin. Default: at the oldest that is kept. */
export interface OutputOptions extends RequestOptions {
  /** An offset, as events have it. */
  from?: number | undefined
  /** So many bytes before the end. */
  tail?: number | undefined
}

/** The programs of one capsule. */
export interface Place {
  transport: Transport
  /** `/v1/capsules/{id}` */
  path: string
}

/** Opens a stream of events. The signal ends the connection. */
export type Open = (signal: AbortSignal) => Promise<Response>

/** A program's output as it is asked for by name. */
export function outputOf({ transport, path }: Place, selector: string | number, at: OutputOptions): Open {
  const query = { from: at.from?.toString(), tail: at.tail?.toString() }
  const asked = { method: 'GET', path: `${processPath(path, selector)}/output`, query } as const
  return (signal) => transport.send({ ...asked, headers: { accept: 'application/x-ndjson' }, signal })
}

export function processPath(path: string, selector: string | number): string {
  return `${path}/processes/${encodeURIComponent(selector)}`
}

/**
 * The events of a program. A connection that is lost is made again, from where it was. Leaving the loop ends the
 * connection; aborting does too, with the signal's reason.
 */
export async function* follow(
  place: Place,
  first: Open,
  { signal }: RequestOptions,
): AsyncGenerator<CommandEvent, void, undefined> {
  const left = new AbortController()
  const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  const at: Position = {}
  try {
    yield* persist(
      async function* (again, connected) {
        const open = again ? outputOf(place, at.id!, { from: at.offset }) : first
        const response = await open(either)
        yield* eventsOf(response.body!, at, connected)
      },
      { signal },
    )
  } finally {
    left.abort()
  }
}

/** How far a program's output has been read, and what it is called. */
interface Position {
  id?: string
  offset?: number
}

/** The events of one connection; the start is told once. Before it, a program cannot be asked for. */
async function* eventsOf(
  body: ReadableStream<Uint8Array>,
  at: Position,
  connected: () => void,
): AsyncGenerator<CommandEvent> {
  for await (const line of readLines(body)) {
    const event = parseLine<ExecEvent>(line)
    switch (event.type) {
      case 'start': {
        const { type, id, pid, tag, offset = 0, dropped } = event
        const isFirst = at.id === undefined
        Object.assign(at, { id, offset })
        connected()
        if (isFirst) yield { type, id, pid, ...(tag === undefined ? {} : { tag }), offset }
        if (dropped) yield { type: 'dropped' }
        break
      }
      case 'stdout':
      case 'stderr': {
        const data = event.encoding === 'base64' ? fromBase64(event.data) : toBytes(event.data)
        at.offset = event.offset
        yield { type: event.type, data, offset: event.offset }
        break
      }
      case 'exit':
        yield { type: 'exit', exitCode: event.exit_code, durationMs: event.duration_ms }
        return
      case 'error':
        throw errorOf(event.message, { code: event.code, status: 502 })
    }
  }
  throw new WrennConnectionError('The connection ended while the program ran.', { code: 'connection', status: 0 })
}

/** Signals a program and all that it started. */
export function kill(
  { transport, path }: Place,
  selector: string | number,
  { how, ...options }: RequestOptions & { how: KillSignal; timeoutMs?: number },
): Promise<void> {
  return transport.done({ method: 'DELETE', path: processPath(path, selector), query: { signal: how }, ...options })
}
