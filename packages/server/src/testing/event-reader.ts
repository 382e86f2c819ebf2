import { eventSchema, type EventBody } from '@wrenn/wire'

export interface ReadEvent extends EventBody {
  /** Of the message. */
  id: string
}

/** Reads a team's events as a client does, and checks each against its schema. */
export class EventReader {
  readonly #abort = new AbortController()
  /** Everything that was read so far. */
  readonly events: ReadEvent[] = []
  comments = 0
  hasEnded = false
  #response!: Response

  private constructor() {}

  /** Resolves when `connected` was read. */
  static async open({ url, key }: { url: string; key: string }, lastId?: string): Promise<EventReader> {
    const reader = new EventReader()
    const headers = { 'x-api-key': key, ...(lastId === undefined ? {} : { 'last-event-id': lastId }) }
    reader.#response = await fetch(`${url}/v1/events/stream`, { headers, signal: reader.#abort.signal })
    if (!reader.#response.ok) throw new Error(`events are refused: ${await reader.#response.text()}`)
    void reader.#read()
    await reader.until(({ event }) => event === 'connected')
    return reader
  }

  get headers(): Headers {
    return this.#response.headers
  }

  /** The first event that is as asked for, read already or yet to come. */
  async until(isIt: (event: ReadEvent) => boolean): Promise<ReadEvent> {
    for (;;) {
      const found = this.events.find(isIt)
      if (found) return found
      if (this.hasEnded) throw new Error('the stream has ended')
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  /** What was told of one thing so far, in words. */
  of(id: string): string[] {
    return this.events.filter(({ resource }) => resource.id === id).map(inWords)
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(): Promise<void> {
    let text = ''
    try {
      for await (const chunk of this.#response.body!.pipeThrough(new TextDecoderStream())) {
        const messages = (text + chunk).split('\n\n')
        text = messages.pop()!
        for (const message of messages) this.#take(message)
      }
    } catch {
      // It was closed, or cut.
    }
    this.hasEnded = true
  }

  #take(message: string): void {
    if (message.startsWith(':')) return void this.comments++
    const { event, id, data } = /^event: (?<event>.+)\nid: (?<id>.+)\ndata: (?<data>.+)$/.exec(message)!.groups!
    const body = eventSchema.strict().parse(JSON.parse(data!))
    if (body.event !== event) throw new Error('the kind of a message is not that of its event')
    this.events.push({ ...body, id: id! })
  }
}

function inWords({ event, outcome, metadata, error }: EventBody): string {
  if (event === 'capsule.state.changed') return `${metadata!['from']}>${metadata!['to']}`
  return [event, outcome, error].filter(Boolean).join(' ')
}
