import type { CapsuleBody, CapsuleStatus, MetricsBody } from '@wrenn/wire'
import * as calls from './capsule-calls.js'
import { runCode, type RunCodeOptions } from './code.js'
import type { Execution } from './code-results.js'
import { Commands } from './commands.js'
import { Files } from './files.js'
import type { OutputOptions } from './follow.js'
import { runs, WrennForkError } from './fork-error.js'
import { Pty, startPty, type PtyOptions } from './pty.js'
import { Template } from './template.js'
import type { Timings } from './timings.js'
import { Transport, type Answer, type ClientOptions, type RequestOptions } from './transport.js'
import { portUrl } from './url.js'

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
  #timings: Timings | undefined

  /** Made by `Capsule.create`, `Capsule.connect`, `Capsule.list` and `capsule.fork`. */
  constructor(transport: Transport, { body, timings }: Answer<CapsuleBody>) {
    this.#transport = transport
    this.#info = body
    this.#timings = timings
    this.commands = new Commands(transport, body.id)
    this.files = new Files(transport, body.id)
  }

  /** Starts a capsule; it runs when this resolves. */
  static async create(options: calls.CreateOptions & ClientOptions = {}): Promise<Capsule> {
    const transport = new Transport(options)
    return new Capsule(transport, await calls.create(transport, options))
  }

  /** A capsule that exists, in whatever state. @throws {WrennNotFoundError} */
  static async connect(id: string, options: RequestOptions & ClientOptions = {}): Promise<Capsule> {
    const transport = new Transport(options)
    return new Capsule(transport, await calls.show(transport, id, options))
  }

  /** The capsules that are alive, newest first. */
  static async list(options: RequestOptions & ClientOptions = {}): Promise<Capsule[]> {
    const transport = new Transport(options)
    return (await calls.list(transport, options)).map((one) => new Capsule(transport, one))
  }

  get id(): string {
    return this.#info.id
  }

  /** As it was when last asked for. */
  get status(): CapsuleStatus {
    return this.#info.status
  }

  /**
   * All that the API says of it, as it was when last asked for. `reason` says why it is in error or missing, `renewal` what its
   * last start or resume made its own, `network` what it may reach.
   */
  get info(): Readonly<CapsuleBody> {
    return this.#info
  }

  /** How long the parts of its last start, pause or resume took, in milliseconds, where the server told. */
  get timings(): Timings | undefined {
    return this.#timings
  }

  /**
   * The URL of a port inside, as `https://8000-cl-….capsules.example`: what listens there is reached by HTTP and WebSocket.
   * @throws {WrennValidationError} when it is no port
   */
  getUrl(port: number): string {
    const { baseUrl, proxyDomain } = this.#transport
    return portUrl({ capsuleId: this.id, port, baseUrl, domain: proxyDomain })
  }

  /** What its ports ask for in the header X-Wrenn-Token, where it was made with `proxyAuth`. */
  get proxyToken(): string | undefined {
    return (this.#info as CapsuleBody & { proxy_token?: string }).proxy_token
  }

  /** Starts a program in a terminal, a shell by default. */
  pty(options: PtyOptions = {}): Promise<Pty> {
    return startPty({ transport: this.#transport, path: `/v1/capsules/${this.id}` }, options)
  }

  /**
   * A terminal that was started before, here or elsewhere. Its output begins with the oldest that is kept, unless you say
   * where.
   * @throws {WrennNotFoundError}
   */
  async ptyConnect(tag: string, options: OutputOptions = {}): Promise<Pty> {
    const place = { transport: this.#transport, path: `/v1/capsules/${this.id}` }
    return new Pty(place, await this.commands.connect(tag, { signal: options.signal }), options)
  }

  /** What it has used of processor, memory and disk, over time. */
  metrics(options: calls.MetricsOptions = {}): Promise<MetricsBody> {
    return calls.metrics(this.#transport, this.id, options)
  }

  /** Asks for its present state. */
  async refresh(options: RequestOptions = {}): Promise<Readonly<CapsuleBody>> {
    return (this.#info = (await calls.show(this.#transport, this.id, options)).body)
  }

  /** Resets the idle timer. */
  async ping(options: RequestOptions = {}): Promise<void> {
    await calls.ping(this.#transport, this.id, options)
  }

  /**
   * Keeps it on disk: it uses no processor and no memory until it is resumed. It is paused when this resolves.
   * @throws {WrennConflictError} when it does not run
   */
  async pause(options: RequestOptions = {}): Promise<void> {
    this.#take(await calls.pause(this.#transport, this.id, options))
  }

  /** Lets it go on where it was paused; it runs when this resolves. @throws {WrennConflictError} when it is not paused */
  async resume(options: RequestOptions = {}): Promise<void> {
    this.#take(await calls.resume(this.#transport, this.id, options))
  }

  /**
   * Starts capsules from where this one is, which runs on: one capture, `count` starts (1 to 100). All of them run when
   * this resolves.
   *
   * ```ts
   * const [left, right] = await capsule.fork(2)
   * const [alone] = await capsule.fork(1, { network: { internet: false } })
   * ```
   *
   * @throws {WrennForkError} when some did not start: its `capsules` are those that run, its `failed` those that do not.
   * When nothing was captured, another WrennError, and there is no new capsule
   */
  async fork(count = 1, options: calls.ForkOptions = {}): Promise<Capsule[]> {
    return forked(this.#transport, await calls.fork(this.#transport, this.id, { ...options, count }))
  }

  /**
   * Changes what it may reach, in the place of all that was said before: what you leave out has its default. It holds when
   * this resolves, or from the resume on; connections that are not allowed any more end.
   *
   * ```ts
   * await capsule.setNetwork({ internet: false, allow: ['*.example.org'] })
   * ```
   *
   * @throws {WrennConflictError} when it neither runs nor is paused; {WrennValidationError} for a destination that is none,
   * or where the server gives no network
   */
  async setNetwork(network: calls.NetworkOptions, options: RequestOptions = {}): Promise<void> {
    this.#info = (await calls.setNetwork(this.#transport, this.id, { ...network, ...options })).body
  }

  /**
   * Captures it as a template: processes, memory and disk. It is destroyed afterwards, unless it is to be kept. When this
   * fails, it runs on.
   * @throws {WrennConflictError} when the name is taken and `overwrite` is not set
   */
  async createSnapshot(options: calls.SnapshotOptions = {}): Promise<Template> {
    const captured = await calls.capture(this.#transport, this.id, options)
    if (!options.keepSource) this.#info = { ...this.#info, status: 'stopped' }
    return new Template(this.#transport, captured)
  }

  /**
   * Runs a cell of code in a kernel that keeps its variables from one call to the next. The capsule has to come from the
   * template `code-runner-beta`. An exception of the cell is no error of the call.
   *
   * ```ts
   * await using capsule = await Capsule.create({ template: 'code-runner-beta' })
   * await capsule.runCode('x = 41')
   * const { text } = await capsule.runCode('x + 1')
   * ```
   *
   * @throws {WrennAgentError} when no code runner listens in it; {WrennValidationError} for an unknown kernel
   */
  runCode(code: string, options: RunCodeOptions = {}): Promise<Execution> {
    return runCode(this, code, options)
  }

  /** Ends it, in whatever state it is. */
  async destroy(options: RequestOptions = {}): Promise<void> {
    await calls.destroy(this.#transport, this.id, options)
    this.#info = { ...this.#info, status: 'stopped' }
  }

  /** The same as `destroy`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy()
  }

  #take({ body, timings }: Answer<CapsuleBody>): void {
    this.#info = body
    this.#timings = timings
  }
}

/** The capsules of a fork, when all of them run. @throws {WrennForkError} */
export function forked(transport: Transport, { body, timings }: Answer<CapsuleBody[]>): Capsule[] {
  const all = body.map((one) => new Capsule(transport, { body: one, timings }))
  if (!all.every(runs)) throw new WrennForkError(all)
  return all
}
