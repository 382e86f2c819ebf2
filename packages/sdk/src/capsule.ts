import type { CapsuleBody, CapsuleStatus, TemplateBody } from '@wrenn/wire'
import { Commands } from './commands.js'
import { Files } from './files.js'
import { Template } from './template.js'
import { Transport, type ClientOptions, type RequestOptions } from './transport.js'

export interface CreateOptions extends RequestOptions {
  /** The name of a template. Default `minimal`. */
  template?: string
  /** Virtual CPUs; a snapshot keeps its own number. Default 1. */
  vcpus?: number
  /** Memory in MiB; a snapshot keeps its own. Default 512. */
  memoryMb?: number
  /** Seconds without activity after which the capsule is paused; 0 means never. Default 0. */
  timeoutSec?: number
  /** Your labels: at most 20. */
  metadata?: Record<string, string>
}

export interface SnapshotOptions extends RequestOptions {
  /** Default: one is made up. */
  name?: string
  /** Whether a template of this name is replaced. Default false. */
  overwrite?: boolean
  /** Whether the capsule runs on instead of being destroyed. Default false. */
  keepSource?: boolean
}

/** How long a capture may take, in milliseconds. */
const SNAPSHOT_MS = 300_000

/** Calls that make and find capsules. */
export class Capsules {
  constructor(private readonly transport: Transport) {}

  /** Starts a capsule; it runs when this resolves. */
  async create({ template, vcpus, memoryMb, timeoutSec, metadata, signal }: CreateOptions = {}): Promise<Capsule> {
    const json = { template, vcpus, memory_mb: memoryMb, timeout_sec: timeoutSec, metadata }
    const asked = { method: 'POST', path: '/v1/capsules', json, signal, timeoutMs: SNAPSHOT_MS } as const
    return new Capsule(this.transport, await this.transport.json<CapsuleBody>(asked))
  }

  /** A capsule that exists, in whatever state. @throws {WrennNotFoundError} */
  async connect(id: string, { signal }: RequestOptions = {}): Promise<Capsule> {
    return new Capsule(
      this.transport,
      await this.transport.json<CapsuleBody>({ method: 'GET', path: pathOf(id), signal }),
    )
  }

  /** The capsules that are alive, newest first. */
  async list({ signal }: RequestOptions = {}): Promise<Capsule[]> {
    const bodies = await this.transport.json<CapsuleBody[]>({ method: 'GET', path: '/v1/capsules', signal })
    return bodies.map((body) => new Capsule(this.transport, body))
  }

  /** Ends a capsule, in whatever state it is. */
  async destroy(id: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.transport.done({ method: 'DELETE', path: pathOf(id), signal })
  }
}

/**
 * An isolated virtual machine.
 *
 * ```ts
 * await using capsule = await Capsule.create({ template: 'base-python' })
 * const { stdout } = await capsule.commands.run('python3 -c "print(6 * 7)"')
 * ```
 */
export class Capsule implements AsyncDisposable {
  readonly commands: Commands
  readonly files: Files
  readonly #transport: Transport
  #info: CapsuleBody

  /** Made by `Capsule.create`, `Capsule.connect` and `Capsule.list`. */
  constructor(transport: Transport, info: CapsuleBody) {
    this.#transport = transport
    this.#info = info
    this.commands = new Commands(transport, info.id)
    this.files = new Files(transport, info.id)
  }

  /** Starts a capsule; it runs when this resolves. */
  static create(options: CreateOptions & ClientOptions = {}): Promise<Capsule> {
    return new Capsules(new Transport(options)).create(options)
  }

  /** A capsule that exists, in whatever state. @throws {WrennNotFoundError} */
  static connect(id: string, options: RequestOptions & ClientOptions = {}): Promise<Capsule> {
    return new Capsules(new Transport(options)).connect(id, options)
  }

  /** The capsules that are alive, newest first. */
  static list(options: RequestOptions & ClientOptions = {}): Promise<Capsule[]> {
    return new Capsules(new Transport(options)).list(options)
  }

  get id(): string {
    return this.#info.id
  }

  /** As it was when last asked for. */
  get status(): CapsuleStatus {
    return this.#info.status
  }

  /** All that the API says of it, as it was when last asked for. */
  get info(): Readonly<CapsuleBody> {
    return this.#info
  }

  /** Asks for its present state. */
  async refresh({ signal }: RequestOptions = {}): Promise<Readonly<CapsuleBody>> {
    return (this.#info = await this.#transport.json<CapsuleBody>({ method: 'GET', path: pathOf(this.id), signal }))
  }

  /** Resets the idle timer. */
  async ping({ signal }: RequestOptions = {}): Promise<void> {
    await this.#transport.done({ method: 'POST', path: `${pathOf(this.id)}/ping`, repeatable: true, signal })
  }

  /**
   * Captures it as a template: processes, memory and disk. It is destroyed afterwards, unless it is to be kept. When this
   * fails, it runs on.
   * @throws {WrennConflictError} when the name is taken and `overwrite` is not set
   */
  async createSnapshot({ name, overwrite, keepSource, signal }: SnapshotOptions = {}): Promise<Template> {
    const body = await this.#transport.json<TemplateBody>({
      method: 'POST',
      path: '/v1/snapshots',
      query: { overwrite: overwrite ? 'true' : undefined },
      json: { sandbox_id: this.id, name, keep_source: keepSource },
      timeoutMs: SNAPSHOT_MS,
      signal,
    })
    return new Template(this.#transport, body)
  }

  /** Ends it, in whatever state it is. */
  async destroy({ signal }: RequestOptions = {}): Promise<void> {
    await new Capsules(this.#transport).destroy(this.id, { signal })
    this.#info = { ...this.#info, status: 'stopped' }
  }

  /** The same as `destroy`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy()
  }
}

function pathOf(id: string): string {
  return `/v1/capsules/${encodeURIComponent(id)}`
}
