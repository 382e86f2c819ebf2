/** Connections to ports of capsules, as an HTTP client uses them. */
import { Agent, type ClientRequest, type ClientRequestArgs, type RequestOptions } from 'node:http'
import type { Duplex } from 'node:stream'

/** How long a connection is kept that nobody uses, in milliseconds: less than servers usually keep theirs. */
const IDLE_MS = 1_500
/** The most of them, for each port of each capsule. */
const MOST_IDLE = 16

/** To be told apart by `host`, the capsule's id, and `port`. */
export interface ThroughTunnel extends RequestOptions {
  /** Opens a tunnel that is destroyed when the signal aborts. */
  open(signal: AbortSignal): Promise<Duplex>
  /** Aborts when nobody waits for the tunnel any more. */
  gone: AbortSignal
}

type Made = (error: Error | null, tunnel: Duplex) => void

/** An agent whose connections are tunnels. One keeps them for the next request, the other does not. */
export class Tunnels extends Agent {
  readonly #idle = new Map<Duplex, () => void>()

  constructor({ keepAlive }: { keepAlive: boolean }) {
    super({ keepAlive, maxFreeSockets: MOST_IDLE })
  }

  override createConnection(options: ClientRequestArgs, made?: Made): undefined {
    const { open, gone } = options as ThroughTunnel
    const opening = new AbortController()
    const giveUp = () => opening.abort()
    gone.addEventListener('abort', giveUp, { once: true })
    if (gone.aborted) giveUp()
    open(opening.signal)
      .finally(() => gone.removeEventListener('abort', giveUp))
      .then(
        (tunnel) => made?.(null, likeSocket(tunnel)),
        // There is none, as Node knows.
        (error: Error) => made?.(error, undefined as never),
      )
  }

  /** Called for each that is free. What the guest sends now answers nothing: it may not be taken for the next answer. */
  override keepSocketAlive(tunnel: Duplex): boolean {
    const drop = () => void tunnel.destroy()
    const timer = setTimeout(drop, IDLE_MS).unref()
    const wake = () => {
      clearTimeout(timer)
      tunnel.off('data', drop).off('end', drop).off('close', wake)
      this.#idle.delete(tunnel)
    }
    tunnel.on('data', drop).on('end', drop).on('close', wake)
    this.#idle.set(tunnel, wake)
    return true
  }

  override reuseSocket(tunnel: Duplex, request: ClientRequest): void {
    this.#idle.get(tunnel)?.()
    super.reuseSocket(tunnel, request)
  }

  /** How many are kept that nobody uses. */
  get idle(): number {
    return this.#idle.size
  }
}

/** Node's agent takes what it uses again for a socket, that keeps a process alive or does not. */
function likeSocket(tunnel: Duplex): Duplex {
  return Object.assign(tunnel, { ref: () => tunnel })
}
