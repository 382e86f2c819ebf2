import { randomHex } from '@wrenn/wire'
import type { Clock } from '../clock.js'
import { Feed, type Event, type Subscribe } from './feed.js'

export type { Event, Subscribe } from './feed.js'

/** What happens, told to those who want to hear it. */
export class Events {
  readonly #run = randomHex(4)
  readonly #feeds = new Map<string, Feed>()
  #isClosed = false

  constructor(private readonly context: { clock: Clock }) {}

  /** How many read now. */
  get readers(): number {
    return [...this.#feeds.values()].reduce((sum, feed) => sum + feed.readers, 0)
  }

  /** Tells a team. */
  publish(teamId: string, event: Event): void {
    this.#feed(teamId).publish(event)
  }

  /** Tells every team that listens. */
  publishToAll(event: Event): void {
    for (const feed of this.#feeds.values()) if (feed.readers > 0) feed.publish(event)
  }

  /**
   * The events of a team as server-sent events: `connected`, what the reader has missed, and what happens from now on.
   * `end` is to be called when the reader is gone.
   * @throws Problem `rate_limited` when too many read already
   */
  subscribe(wanted: Subscribe): ReturnType<Feed['subscribe']> {
    const subscription = this.#feed(wanted.teamId).subscribe(wanted)
    if (this.#isClosed) subscription.end()
    return subscription
  }

  /** Ends all connections, now and later. */
  close(): void {
    this.#isClosed = true
    for (const feed of this.#feeds.values()) feed.close()
  }

  #feed(teamId: string): Feed {
    const known = this.#feeds.get(teamId)
    if (known) return known
    const feed = new Feed(this.#run, this.context.clock)
    this.#feeds.set(teamId, feed)
    return feed
  }
}
