/** What happens to a team's capsules and templates, as it happens. */
import type { EventBody } from '@wrenn/wire'
import { parseLine, readAllLines } from './lines.js'
import { persist } from './persist.js'
import { WrennConnectionError } from './errors.js'
import type { RequestOptions, Transport } from './transport.js'

export interface EventsOptions extends RequestOptions {
  /** The `id` of the last event that you have seen: what has happened since comes first, as far as it is kept. */
  lastEventId?: string | undefined
  /** Whether a lost connection is made again, as often as it takes. Default true. */
  reconnect?: boolean
}

/** An event, with the id to go on from. Each connection begins with one of the kind `connected`. */
export type WrennEvent = EventBody & { id?: string }

/** Leaving the loop ends the connection. */
export async function* eventStream(
  transport: Transport,
  { lastEventId, reconnect = true, signal }: EventsOptions,
): AsyncGenerator<WrennEvent, void, undefined> {
  const left = new AbortController()
  const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  let last = lastEventId
  try {
    yield* persist<WrennEvent>(
      async function* (_, connected) {
        const headers = { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) }
        const response = await transport.send({ method: 'GET', path: '/v1/events/stream', headers, signal: either })
        connected()
        for await (const { id, data } of messagesOf(response.body!)) {
          if (id !== undefined) last = id
          yield { ...parseLine<EventBody>(data), ...(last === undefined ? {} : { id: last }) }
        }
        // The server ends it when it is stopped.
        if (reconnect) throw new WrennConnectionError('The event stream ended.', { code: 'connection', status: 0 })
      },
      { signal, tries: reconnect ? Infinity : 0 },
    )
  } finally {
    left.abort()
  }
}

interface Message {
  id?: string
  data: string
}

/** The messages of a `text/event-stream`; what names no data is none. */
export async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  let id: string | undefined
  let data: string[] = []
  for await (const line of readAllLines(body)) {
    if (line === '') {
      if (data.length > 0) yield { ...(id === undefined ? {} : { id }), data: data.join('\n') }
      data = []
      id = undefined
      continue
    }
    // A line that begins with a colon is a comment.
    const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? []
    if (field === 'id') id = value
    if (field === 'data') data.push(value)
  }
}
