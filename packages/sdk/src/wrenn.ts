import type { CreatedKeyBody, KeyBody } from '@wrenn/wire'
import { Capsules } from './capsules.js'
import { eventStream, type EventsOptions, type WrennEvent } from './events.js'
import { Templates } from './template.js'
import { Transport, type ClientOptions, type MakeOptions, type RequestOptions } from './transport.js'

/** API keys of your team. */
export class Keys {
  constructor(private readonly transport: Transport) {}

  /** Makes a key; `key` in the answer is shown this once. */
  create(name?: string, { idempotencyKey, signal }: MakeOptions = {}): Promise<CreatedKeyBody> {
    const asked = { method: 'POST', path: '/v1/api-keys', json: { name }, idempotencyKey, signal } as const
    return this.transport.json<CreatedKeyBody>(asked)
  }

  list({ signal }: RequestOptions = {}): Promise<KeyBody[]> {
    return this.transport.json<KeyBody[]>({ method: 'GET', path: '/v1/api-keys', signal })
  }

  /** Revokes a key by id; it stops working at once. */
  async revoke(id: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.transport.done({ method: 'DELETE', path: `/v1/api-keys/${encodeURIComponent(id)}`, signal })
  }
}

/** A client of one server, for when the environment should not say which. */
export class Wrenn {
  readonly capsules: Capsules
  readonly templates: Templates
  readonly keys: Keys
  readonly #transport: Transport

  constructor(options: ClientOptions = {}) {
    this.#transport = new Transport(options)
    this.capsules = new Capsules(this.#transport)
    this.templates = new Templates(this.#transport)
    this.keys = new Keys(this.#transport)
  }

  /** Whether the server is up, and its version. */
  health({ signal }: RequestOptions = {}): Promise<{ status: 'ok'; version: string }> {
    return this.#transport.json({ method: 'GET', path: '/health', signal })
  }

  /**
   * What happens to the team's capsules and templates, from now on or from an event on, without an end. Leaving the loop
   * ends it; lost connections are made again, and nothing is missed that the server still has.
   *
   * ```ts
   * for await (const { event, resource } of wrenn.events()) console.log(event, resource.id)
   * ```
   */
  events(options: EventsOptions = {}): AsyncGenerator<WrennEvent, void, undefined> {
    return eventStream(this.#transport, options)
  }
}
