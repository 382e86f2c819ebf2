/**
 * The port proxy: a request whose Host is `{port}-{capsule id}.{anything}` goes to that port in the guest.
 *
 * It is node:http on both sides. The proxy libraries connect by themselves, to an address; here a connection is a tunnel,
 * and it counts as activity, which is all there is to do, while parsing and framing are Node's either way.
 *
 * Nothing waits for a deadline once the request's head is there: long polls and events may take as long as they like. A
 * client that hangs up ends its request at the guest.
 */
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { toProblem } from '@wrenn/wire'
import type { Logger } from 'pino'
import type { Inside } from '../services/inside.js'
import type { Keys } from '../services/keys.js'
import { admit, sameHost, type Admitted } from './access.js'
import { Crowd } from './crowd.js'
import { Exchange } from './exchange.js'
import type { Peers } from './peers.js'
import { relay } from './relay.js'
import { isForPort, readTarget } from './target.js'
import { Tunnels } from './tunnels.js'

/** The most requests and connections that one capsule has open at a time. */
const MOST_OPEN = 1_000

export interface ProxyParts {
  inside: Inside
  keys: Keys
  peers: Peers
  log: Logger
  /** Default {@link MOST_OPEN}. */
  mostOpen?: number
}

export class PortProxy {
  readonly kept = new Tunnels({ keepAlive: true })
  readonly #single = new Tunnels({ keepAlive: false })
  readonly #crowd: Crowd
  /** The end of the request before, for each connection of a client. */
  readonly #turns = new WeakMap<Socket, Promise<void>>()
  readonly #upgraded = new Set<Socket>()

  constructor(private readonly parts: ProxyParts) {
    this.#crowd = new Crowd(parts.mostOpen ?? MOST_OPEN)
  }

  isFor(request: IncomingMessage): boolean {
    return isForPort(request, this.parts.peers)
  }

  /** Answers a request. Those that a client sends before it has its answers wait for their turn. */
  handle(request: IncomingMessage, answer: ServerResponse): void {
    const { socket } = request
    const before = this.#turns.get(socket) ?? Promise.resolve()
    this.#turns.set(
      socket,
      before.then(() => this.#serve(new Exchange(request, answer, false))),
    )
  }

  /** Answers a request to change the protocol. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Node lets go of the connection: from here on its errors are ours, and so is its end.
    socket.on('error', () => {})
    this.#upgraded.add(socket)
    socket.once('close', () => this.#upgraded.delete(socket))
    const answer = new ServerResponse(request)
    answer.shouldKeepAlive = false
    try {
      answer.assignSocket(socket)
    } catch {
      // It was sent before an earlier request had its answer, which now would mix with this one.
      return void socket.destroy()
    }
    if (head.length > 0) socket.unshift(head)
    socket.on('drain', () => answer.emit('drain'))
    answer.once('finish', () => socket.destroySoon())
    void this.#serve(new Exchange(request, answer, true))
  }

  /** Cuts what is open, but for the requests: those end with the server's connections. */
  close(): void {
    for (const socket of this.#upgraded) socket.destroy()
    this.kept.destroy()
    this.#single.destroy()
  }

  async #serve(exchange: Exchange): Promise<void> {
    if (exchange.hasEnded) return
    try {
      await this.#begin(exchange)
    } catch (error) {
      this.#note(error)
      exchange.refuse(error)
    }
    await exchange.ended
  }

  async #begin(exchange: Exchange): Promise<void> {
    const { request, onEnd } = exchange
    const { inside, keys, peers } = this.parts
    const target = readTarget(request, peers)
    onEnd(this.#crowd.enter(target.capsuleId))
    let admitted: Admitted = { path: target.path }
    const guest = await inside.guestOfVisitor({
      id: target.capsuleId,
      onEnd,
      admit: async ({ teamId, proxyToken }) => {
        admitted = await admit(request, target.path, { keys, peers, teamId, proxyToken })
      },
    })
    if (exchange.hasEnded) return
    const { path, cookie, holder } = admitted
    if (holder) onEnd(keys.hold(holder, () => request.socket.destroy()))
    if (cookie !== undefined) return sendOn(exchange, sameHost(path), cookie)
    relay(exchange, { guest, target: { ...target, path }, peers, kept: this.kept, single: this.#single })
  }

  #note(error: unknown): void {
    const problem = toProblem(error)
    if (problem.code === 'internal_error') this.parts.log.error({ err: problem.cause }, 'the proxy failed')
  }
}

/** The token leaves the URL, where it would be seen, for a cookie. */
function sendOn({ answer }: Exchange, location: string, cookie: string): void {
  answer.writeHead(303, {
    location,
    'set-cookie': cookie,
    'content-length': 0,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
  answer.end()
}
