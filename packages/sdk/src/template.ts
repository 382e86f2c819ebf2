import type { TemplateBody } from '@wrenn/wire'
import { Transport, type ClientOptions, type RequestOptions } from './transport.js'

export interface ListTemplates extends RequestOptions {
  /** Only those of the platform (`base`), or only snapshots. Default: all. */
  type?: TemplateBody['type']
}

/** Calls that find and delete templates. */
export class Templates {
  constructor(private readonly transport: Transport) {}

  /** Your templates and the platform's, newest first. */
  async list({ type, signal }: ListTemplates = {}): Promise<Template[]> {
    const bodies = await this.transport.json<TemplateBody[]>({
      method: 'GET',
      path: '/v1/snapshots',
      query: { type },
      signal,
    })
    return bodies.map((body) => new Template(this.transport, body))
  }

  /** @throws {WrennNotFoundError} */
  async get(name: string, { signal }: RequestOptions = {}): Promise<Template> {
    return new Template(
      this.transport,
      await this.transport.json<TemplateBody>({ method: 'GET', path: pathOf(name), signal }),
    )
  }

  /** Deletes a template; capsules that came from it are not touched. @throws {WrennNotFoundError} {WrennForbiddenError} */
  async delete(name: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.transport.done({ method: 'DELETE', path: pathOf(name), signal })
  }
}

/** What capsules are started from. */
export class Template {
  readonly #transport: Transport
  /** All that the API says of it. */
  readonly info: Readonly<TemplateBody>

  /** Made by `Template.list`, `Template.get` and `capsule.createSnapshot`. */
  constructor(transport: Transport, info: TemplateBody) {
    this.#transport = transport
    this.info = info
  }

  /** Your templates and the platform's, newest first. */
  static list(options: ListTemplates & ClientOptions = {}): Promise<Template[]> {
    return new Templates(new Transport(options)).list(options)
  }

  /** @throws {WrennNotFoundError} */
  static get(name: string, options: RequestOptions & ClientOptions = {}): Promise<Template> {
    return new Templates(new Transport(options)).get(name, options)
  }

  /** Deletes a template by name; capsules that came from it are not touched. */
  static delete(name: string, options: RequestOptions & ClientOptions = {}): Promise<void> {
    return new Templates(new Transport(options)).delete(name, options)
  }

  get name(): string {
    return this.info.name
  }

  /** Bytes that it occupies on the server's disk. */
  get sizeBytes(): number {
    return this.info.size_bytes
  }

  /** Deletes it; capsules that came from it are not touched. */
  delete(options: RequestOptions = {}): Promise<void> {
    return new Templates(this.#transport).delete(this.name, options)
  }
}

function pathOf(name: string): string {
  return `/v1/snapshots/${encodeURIComponent(name)}`
}
