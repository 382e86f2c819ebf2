/** A request for a WebSocket: checked before it is accepted, where it has a key, and after its first message otherwise. */
import { authMessageSchema, Problem, routes, type Guest, type Route, type SocketRouteName } from '@wrenn/wire'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Holder } from '../services/keys.js'
import type { Services } from '../services/services.js'
import { addressOf, type Keyed } from './access.js'
import { check, firstOfEach } from './call.js'
import { problemOf } from './errors.js'
import { Peer, type Message } from './peer.js'
import type { Upgrades } from './upgrade.js'

/** How long the first message may take where it has to bring the key, in milliseconds. */
const AUTH_MS = 5_000
/** How long the message that says what to do may take, in milliseconds. */
const OPENING_MS = 30_000

/** The close codes of RFC 6455 for peers that break the rules. */
const POLICY = 1008
const UNSUPPORTED = 1003
const FAILED = 1011

export interface SocketCall {
  guest: Guest
  params: { id: string; selector?: string }
  query: { from?: number; tail?: number }
  request: FastifyRequest
  services: Services
  /** Aborts when the connection has ended. */
  signal: AbortSignal
}

/** What a route for WebSockets does. */
export interface SocketRoute {
  /** Does what may still be refused, and gives what is done with the peer then. */
  open(call: SocketCall): Promise<(peer: Peer) => Promise<void>>
  /** The message that tells of a failure after which it closes. */
  failure(problem: Problem): object
}

/** A failure that is told to the peer, and the code that it is closed with. */
class Refusal extends Error {
  constructor(
    readonly problem: Problem,
    readonly closeCode: number,
  ) {
    super(problem.message)
  }
}

interface Serve {
  name: SocketRouteName
  socketRoute: SocketRoute
  services: Services
  upgrades: Upgrades
  request: FastifyRequest
  reply: FastifyReply
}

/** Serves one request. Failures before the connection is taken over are thrown, to be answered like all others. */
export async function serveSocket(serve: Serve): Promise<void> {
  const { services, request, upgrades, reply } = serve
  const { caller } = request as Keyed
  const ends: (() => void)[] = []
  const onEnd = (done: () => void) => void ends.push(done)
  const end = () => ends.splice(0).forEach((done) => done())
  const begin = { ...parse(serve), request, services, signal: ended(request) }
  const open = async (by: Holder) => {
    const guest = await services.inside.guest({ caller: by, id: begin.params.id, onEnd })
    upgrades.assertWebSocket(request)
    return serve.socketRoute.open({ ...begin, guest })
  }
  try {
    const opened = caller ? await open(caller) : undefined
    const ws = upgrades.acceptWebSocket(request, reply)
    if (!ws) return end()
    const peer = new Peer(ws, services.clock)
    const hold = (by: Holder) => {
      onEnd(services.keys.hold(by, () => void peer.close(POLICY, 'The API key is not valid any more.')))
      return by
    }
    if (caller) hold(caller)
    const work = async () => opened ?? (await open(hold(await authenticated(peer, serve))))
    void talk(peer, serve, async () => (await work())(peer)).finally(end)
  } catch (error) {
    end()
    throw error
  }
}

function parse({ name, request }: Serve): Pick<SocketCall, 'params' | 'query'> {
  const route: Route = routes[name]
  return {
    params: check(route.params!, request.params) as SocketCall['params'],
    query: route.query ? check(route.query, firstOfEach(request.query)) : {},
  }
}

export function ended({ raw }: FastifyRequest): AbortSignal {
  const controller = new AbortController()
  const abort = () => controller.abort(new Problem('invalid_request', 'The client hung up.'))
  if (raw.socket.destroyed) abort()
  else raw.socket.once('close', abort)
  return controller.signal
}

/** Does the work, and closes in every case. What goes wrong is told first. */
async function talk(peer: Peer, { socketRoute, request }: Serve, work: () => Promise<void>): Promise<void> {
  try {
    await work()
    await peer.close()
  } catch (error) {
    if (error instanceof Gone) return
    const { problem, closeCode } =
      error instanceof Refusal ? error : { problem: problemOf(error, request), closeCode: POLICY }
    // Not waited for: closing has a time limit, and reading has none.
    void peer.send(socketRoute.failure(problem))
    await peer.close(problem.status >= 500 ? FAILED : closeCode)
  }
}

/** The peer left before it had said what it wants. */
class Gone extends Error {}

async function authenticated(peer: Peer, { name, services, request }: Serve): Promise<Holder> {
  const { token } = await first(peer, authMessageSchema, { withinMs: AUTH_MS, missing: 'unauthorized' })
  return services.keys.admit({ key: token, address: addressOf(request), scope: routes[name].scope })
}

/** The message that says what to do. @throws what ends the connection */
export function opening<T extends z.ZodType>(peer: Peer, schema: T): Promise<z.output<T>> {
  return first(peer, schema, { withinMs: OPENING_MS, missing: 'invalid_request' })
}

interface First {
  withinMs: number
  missing: 'unauthorized' | 'invalid_request'
}

async function first<T extends z.ZodType>(peer: Peer, schema: T, { withinMs, missing }: First): Promise<z.output<T>> {
  const message = await peer.next(withinMs)
  if (message === undefined) {
    if (peer.isOver) throw new Gone()
    throw new Problem(missing, `The first message did not come within ${withinMs / 1000} s.`)
  }
  if (typeof message !== 'string')
    throw new Refusal(new Problem('invalid_request', 'The first message is binary.'), UNSUPPORTED)
  return parseMessage(schema, message)
}

/** What a message says. @throws Problem `invalid_request` */
export function parseMessage<T extends z.ZodType>(schema: T, message: Message): z.output<T> {
  if (typeof message !== 'string') throw new Problem('invalid_request', 'A binary message is not understood here.')
  let value: unknown
  try {
    value = JSON.parse(message)
  } catch {
    throw new Problem('invalid_request', 'The message is not JSON.')
  }
  return check(schema, value)
}

/** For what is done although the peer may have left: its last words count. */
export function untilDone(): AbortSignal {
  return new AbortController().signal
}
