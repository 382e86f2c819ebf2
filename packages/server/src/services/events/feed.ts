import { Problem, type EventBody } from '@wrenn/wire'
import { toIso, type Clock } from '../clock.js'
import { Ring } from './ring.js'
import { Subscription } from './subscription.js'

/** The most who may read one team's events at once. */
const MOST_READERS = 100

/** An event that has yet to happen. */
export type Event = Omit<EventBody, 'timestamp'>

export interface Subscribe {
  teamId: string
  /** The id of the last event that the reader knows of. */
  lastId?: string | undefined
  /** Ends the connection of a reader that is too slow. */
  cut: () => void
}

/** The events of one team, and those who read them. */
export class Feed {
  readonly #ring = new Ring()
  readonly #readers = new Set<Subscription>()

  constructor(
    /** Tells the ids of this run of the server from those of others. */
    private readonly run: string,
    private readonly clock: Clock,
  ) {}

  get readers(): number {
    return this.#readers.size
  }

  publish(event: Event): void {
    this.#ring.add(this.#message(this.#ring.next, event))
    for (const reader of [...this.#readers]) reader.notice()
  }

  /** @throws Problem `rate_limited` when too many read already */
  subscribe({ teamId, lastId, cut }: Subscribe): { end(): void; messages: AsyncGenerator<string> } {
    if (this.#readers.size >= MOST_READERS)
      throw new Problem('rate_limited', `This team's events are read by ${MOST_READERS} clients already.`, {
        hint: 'Close a connection that is not needed.',
      })
    const known = lastId === undefined ? undefined : this.#after(lastId)
    const next = known ?? this.#ring.next
    const missed = lastId !== undefined && known === undefined ? { metadata: { missed: 'unknown' } } : {}
    const onEnd = () => void this.#readers.delete(reader)
    const reader = new Subscription({ ring: this.#ring, next, clock: this.clock, onEnd, cut })
    this.#readers.add(reader)
    const greeting: Event = {
      event: 'connected',
      resource: { id: teamId, type: 'team' },
      actor: { type: 'system' },
      ...missed,
    }
    return { messages: reader.messages(this.#message(next - 1, greeting)), end: () => reader.end() }
  }

  /** Ends all connections. */
  close(): void {
    for (const reader of [...this.#readers]) reader.end()
  }

  /** The number after that of an id, if all that has happened since is remembered. */
  #after(id: string): number | undefined {
    const [, run, number] = /^([0-9a-f]+)-(\d{1,15})$/.exec(id) ?? []
    const next = Number(number) + 1
    return run === this.run && next >= this.#ring.first && next <= this.#ring.next ? next : undefined
  }

  #message(number: number, event: Event): string {
    const body: EventBody = { ...event, timestamp: toIso(this.clock.now()) }
    return `event: ${event.event}\nid: ${this.run}-${number}\ndata: ${JSON.stringify(body)}\n\n`
  }
}
