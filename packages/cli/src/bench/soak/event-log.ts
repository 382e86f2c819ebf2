/** A reader of the event stream all along, who is also how the soak hears of what it did not do itself. */
import type { Wrenn, WrennEvent } from 'wrenn'

export class EventLog {
  count = 0
  /** Events that came a second time. */
  repeated = 0
  readonly #ended = new AbortController()
  readonly #listeners = new Set<(event: WrennEvent) => void>()
  readonly #reading: Promise<void>

  constructor(client: Wrenn) {
    this.#reading = this.#read(client).catch(() => {})
  }

  /** Begins to wait for a capsule to change into a state; rejects when that takes longer. */
  becomes(capsuleId: string, status: string, withinMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        this.#listeners.delete(listener)
      }
      const listener = ({ event, resource, metadata }: WrennEvent) => {
        if (event !== 'capsule.state.changed' || resource.id !== capsuleId || metadata?.['to'] !== status) return
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`nobody was told within ${withinMs} ms that it is in ${status}`))
      }, withinMs)
      this.#listeners.add(listener)
    })
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await this.#reading
  }

  async #read(client: Wrenn): Promise<void> {
    let last: string | undefined
    for await (const event of client.events({ signal: this.#ended.signal })) {
      this.count++
      if (event.event !== 'connected') {
        if (event.id !== undefined && event.id === last) this.repeated++
        last = event.id
      }
      for (const listener of [...this.#listeners]) listener(event)
    }
  }
}
