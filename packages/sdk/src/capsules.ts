import type { StatsBody, UsageBody } from '@wrenn/wire'
import * as calls from './capsule-calls.js'
import { Capsule, forked } from './capsule.js'
import type { RequestOptions, Transport } from './transport.js'

/** Calls that make and find capsules. */
export class Capsules {
  constructor(private readonly transport: Transport) {}

  /** Starts a capsule; it runs when this resolves. */
  async create(options: calls.CreateOptions = {}): Promise<Capsule> {
    return new Capsule(this.transport, await calls.create(this.transport, options))
  }

  /** A capsule that exists, in whatever state. @throws {WrennNotFoundError} */
  async connect(id: string, options: RequestOptions = {}): Promise<Capsule> {
    return new Capsule(this.transport, await calls.show(this.transport, id, options))
  }

  /** The capsules that are alive, newest first. */
  async list(options: RequestOptions = {}): Promise<Capsule[]> {
    return (await calls.list(this.transport, options)).map((one) => new Capsule(this.transport, one))
  }

  /** Keeps a running capsule on disk until it is resumed. @throws {WrennConflictError} when it does not run */
  async pause(id: string, options: RequestOptions = {}): Promise<Capsule> {
    return new Capsule(this.transport, await calls.pause(this.transport, id, options))
  }

  /** Lets a paused capsule go on where it was. @throws {WrennConflictError} when it is not paused */
  async resume(id: string, options: RequestOptions = {}): Promise<Capsule> {
    return new Capsule(this.transport, await calls.resume(this.transport, id, options))
  }

  /** Starts capsules from where one is, as `capsule.fork` does. @throws {WrennForkError} when some did not start */
  async fork(id: string, count = 1, options: calls.ForkOptions = {}): Promise<Capsule[]> {
    return forked(this.transport, await calls.fork(this.transport, id, { ...options, count }))
  }

  /** What all capsules of the team use: now, at most, and over time. */
  stats(options: calls.StatsOptions = {}): Promise<StatsBody> {
    return calls.stats(this.transport, options)
  }

  /** Processor and memory of the team, day by day. */
  usage(options: calls.UsageOptions = {}): Promise<UsageBody> {
    return calls.usage(this.transport, options)
  }

  /** Ends a capsule, in whatever state it is. */
  async destroy(id: string, options: RequestOptions = {}): Promise<void> {
    await calls.destroy(this.transport, id, options)
  }
}
