import type { HookResult, TemplateBody, VerificationBody, VersionBody } from '@wrenn/wire'
import type { Timings } from './timings.js'
import { Transport, type Answer, type ClientOptions, type RequestOptions } from './transport.js'

export interface ListTemplates extends RequestOptions {
  /** Only those of the platform (`base`), or only snapshots. Default: all. */
  type?: TemplateBody['type']
}

/** How long reading a template in full may take, in milliseconds. */
const VERIFY_MS = 600_000

/** Calls that find, check and delete templates, and move their names between versions. */
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
    return bodies.map((body) => new Template(this.transport, { body, timings: undefined }))
  }

  /** @throws {WrennNotFoundError} */
  async get(name: string, { signal }: RequestOptions = {}): Promise<Template> {
    return new Template(this.transport, await this.transport.answer({ method: 'GET', path: pathOf(name), signal }))
  }

  /** The versions of a template that are kept, newest first. @throws {WrennNotFoundError} */
  versions(name: string, { signal }: RequestOptions = {}): Promise<VersionBody[]> {
    return this.transport.json({ method: 'GET', path: pathOf(name, 'versions'), signal })
  }

  /**
   * Makes the name mean another version; default: the one before.
   * @throws {WrennNotFoundError} when it is not kept; {WrennForbiddenError} for a platform template
   */
  async rollback(name: string, version?: number, { signal }: RequestOptions = {}): Promise<Template> {
    const asked = { method: 'POST', path: pathOf(name, 'rollback'), json: { version }, signal } as const
    // To a given version it is the same each time; to the one before it is not.
    return new Template(this.transport, await this.transport.answer({ ...asked, repeatable: version !== undefined }))
  }

  /** Reads every part and compares it with the digest taken when it was made. Default: the present version. */
  verify(name: string, version?: number, { signal }: RequestOptions = {}): Promise<VerificationBody> {
    const asked = { method: 'POST', path: pathOf(name, 'verify'), json: { version }, timeoutMs: VERIFY_MS } as const
    return this.transport.json({ ...asked, repeatable: true, signal })
  }

  /** Deletes an old version; capsules that came from it are not touched. @throws {WrennConflictError} for the present one */
  async deleteVersion(name: string, version: number, { signal }: RequestOptions = {}): Promise<void> {
    await this.transport.done({ method: 'DELETE', path: pathOf(name, `versions/${version}`), signal })
  }

  /**
   * Deletes a template with all its versions; capsules that came from it are not touched.
   * @throws {WrennNotFoundError} {WrennForbiddenError}
   */
  async delete(name: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.transport.done({ method: 'DELETE', path: pathOf(name), signal })
  }
}

/** What capsules are started from. */
export class Template {
  readonly #transport: Transport
  /** All that the API says of it. */
  readonly info: Readonly<TemplateBody>
  /** How long the parts of its capture took, in milliseconds, where it was just made and the server told. */
  readonly timings: Timings | undefined

  /** Made by `Template.list`, `Template.get` and `capsule.createSnapshot`. */
  constructor(transport: Transport, { body, timings }: Answer<TemplateBody>) {
    this.#transport = transport
    this.info = body
    this.timings = timings
  }

  /** Your templates and the platform's, newest first. */
  static list(options: ListTemplates & ClientOptions = {}): Promise<Template[]> {
    return new Templates(new Transport(options)).list(options)
  }

  /** @throws {WrennNotFoundError} */
  static get(name: string, options: RequestOptions & ClientOptions = {}): Promise<Template> {
    return new Templates(new Transport(options)).get(name, options)
  }

  /** Deletes a template by name, with all its versions; capsules that came from it are not touched. */
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

  /** Counts the snapshots taken under its name. `Capsule.create({ template: 'name@3' })` starts a given one. */
  get version(): number {
    return this.info.version
  }

  /** What the programs in /etc/wrenn/before-snapshot.d did, in their order; known only right after `createSnapshot`. */
  get hooks(): readonly HookResult[] {
    return this.info.hooks ?? []
  }

  /** The versions that are kept, newest first. */
  versions(options: RequestOptions = {}): Promise<VersionBody[]> {
    return new Templates(this.#transport).versions(this.name, options)
  }

  /** Makes its name mean another version; default: the one before. Resolves with what the name means then. */
  rollback(version?: number, options: RequestOptions = {}): Promise<Template> {
    return new Templates(this.#transport).rollback(this.name, version, options)
  }

  /**
   * Reads every part and compares it with the digest taken when it was made. Default: the version that its name means
   * now. Damage is no error: `ok` in the answer says it, and each part its own.
   */
  verify(version?: number, options: RequestOptions = {}): Promise<VerificationBody> {
    return new Templates(this.#transport).verify(this.name, version, options)
  }

  /** Deletes an old version; capsules that came from it are not touched. @throws {WrennConflictError} for the present one */
  deleteVersion(version: number, options: RequestOptions = {}): Promise<void> {
    return new Templates(this.#transport).deleteVersion(this.name, version, options)
  }

  /** Deletes it with all its versions; capsules that came from it are not touched. */
  delete(options: RequestOptions = {}): Promise<void> {
    return new Templates(this.#transport).delete(this.name, options)
  }
}

function pathOf(name: string, call?: string): string {
  return `/v1/snapshots/${encodeURIComponent(name)}${call ? `/${call}` : ''}`
}
