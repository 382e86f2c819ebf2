import type { CreatedKeyBody, KeyBody, KeyScope } from '@wrenn/wire'
import { Capsules } from './capsules.js'
import { eventStream, type EventsOptions, type WrennEvent } from './events.js'
import { Templates } from './template.js'
import { Transport, type ClientOptions, type MakeOptions, type RequestOptions } from './transport.js'

/** What a new API key is to be. */
export interface NewKey {
  /** What it is for. */
  name?: string | undefined
  /** What it may do: look at things (`read`), use them (`run`), or make keys too (`admin`, which is the default). */
  scope?: KeyScope | undefined
  /** After how many seconds it ends. Default: never. */
  expiresIn?: number | undefined
}

/** API keys of your team. They are for keys of the scope `admin`. */
export class Keys {
  constructor(private readonly transport: Transport) {}

  /** Makes a key; `key` in the answer is shown this once. A text is the key's name. */
  create(wanted: NewKey | string = {}, { idempotencyKey, signal }: MakeOptions = {}): Promise<CreatedKeyBody> {
    const { name, scope, expiresIn }: NewKey = typeof wanted === 'string' ? { name: wanted } : wanted
    const json = { name, scope, expires_in: expiresIn }
    return this.transport.json<CreatedKeyBody>({ method: 'POST', path: '/v1/api-keys', json, idempotencyKey, signal })
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
