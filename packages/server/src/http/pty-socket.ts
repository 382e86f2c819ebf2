/** Terminals over WebSockets. A session outlives its sockets, and several of them may be on one. */
import {
  Problem,
  ptyInputSchema,
  ptyOpeningSchema,
  randomHex,
  toProblem,
  type Attachment,
  type PtyOpening,
  type SessionRef,
} from '@wrenn/wire'
import { lost } from '../services/exec-problems.js'
import type { Clock } from '../services/clock.js'
import type { Stdin } from '../services/stdin.js'
import { converse } from './conversation.js'
import { logFailure, problemOf } from './errors.js'
import { OutputMode } from './output-mode.js'
import type { Message, Peer } from './peer.js'
import { opening, parseMessage, untilDone, type SocketCall, type SocketRoute } from './socket-call.js'

/** How often a `ping` message is sent, in milliseconds. */
const PING_MS = 30_000

const failure = ({ code, message }: Problem, fatal = true) => ({ type: 'error', data: message, code, fatal })

/** `…/pty` */
export const terminal: SocketRoute = {
  failure,
  open: async (call) => async (peer) => {
    const asked = await opening(peer, ptyOpeningSchema)
    const controller = new AbortController()
    try {
      const { id, tag, pid } = await (asked.type === 'start' ? start(call, asked) : find(call, asked.tag))
      if (asked.type === 'start') await peer.send({ type: 'started', tag, pid, id })
      const from = asked.type === 'start' ? 0 : asked.from
      // Not called off when the peer leaves: what it has typed before counts.
      const session = await call.guest.attach(id, { from }, controller.signal)
      await talk({ call, peer, session, controller })
    } catch (error) {
      await peer.send(failure(problemOf(error, call.request)))
    }
  },
}

type Start = PtyOpening & { type: 'start' }

/** Started even when the peer has left: it may come back by the tag. */
async function start({ guest }: SocketCall, { type: _type, cols, rows, ...spec }: Start): Promise<SessionRef> {
  const tag = spec.tag ?? `pty-${randomHex(4)}`
  return guest.spawn({ ...spec, tag, pty: { cols, rows } }, untilDone())
}

async function find({ guest, signal }: SocketCall, tag: string): Promise<SessionRef> {
  const found = (await guest.processes(signal)).find((one) => one.pty && (one.tag === tag || one.id === tag))
  if (!found) throw new Problem('not_found', 'There is no terminal session of this tag.')
  return found
}

interface Talk {
  call: SocketCall
  peer: Peer
  session: Attachment
  controller: AbortController
}

async function talk({ call, peer, session, controller }: Talk): Promise<void> {
  const { guest, services, request } = call
  const { id } = session
  const mode = new OutputMode(request.headers['user-agent'], services.clock)
  if (mode.isProbing) void peer.send({ type: 'ping' })
  void peer.closed.then(() => mode.end())
  const failed = (error: unknown) => {
    if (!controller.signal.aborted) logFailure(error, request)
  }
  const endPings = pings(peer, services.clock)
  try {
    await converse({
      peer,
      program: { guest, id, detach: () => controller.abort() },
      services,
      events: messages(session, mode, failed),
      heard: (message, stdin) => hear(message, { call, id, stdin, mode }),
      failure: (problem) => failure(problem, false),
      leave: () => {},
    })
  } finally {
    endPings()
    mode.end()
  }
}

async function* messages(
  { output }: Attachment,
  mode: OutputMode,
  failed: (error: unknown) => void,
): AsyncGenerator<object> {
  try {
    for await (const chunk of output) {
      if (chunk.type === 'exit') {
        yield { type: 'exit', exit_code: chunk.exitCode }
        return
      }
      await mode.decided
      yield mode.isBinary ? chunk.data : { type: 'output', data: Buffer.from(chunk.data).toString('base64') }
    }
    throw lost()
  } catch (error) {
    failed(error)
    yield failure(toProblem(error))
  }
}

interface Heard {
  call: SocketCall
  id: string
  stdin: Stdin
  mode: OutputMode
}

async function hear(message: Message, { call: { guest }, id, stdin, mode }: Heard): Promise<void> {
  if (typeof message !== 'string') {
    mode.heard('binary')
    return stdin.write(message)
  }
  const said = parseMessage(ptyInputSchema, message)
  if (said.type === 'pong') return mode.heard('pong')
  if (said.type === 'kill') return guest.kill(id, 'SIGKILL', untilDone())
  if (said.type === 'resize') return guest.resize(id, { cols: said.cols, rows: said.rows }, untilDone())
  mode.heard('input')
  await stdin.write(Buffer.from(said.data, 'base64'))
}

/** Sends `ping` messages, none before the last one is written. @returns what ends it */
function pings(peer: Peer, clock: Clock): () => void {
  let cancel = () => {}
  let isOver = false
  const wait = () => {
    cancel = clock.after(PING_MS, () => void peer.send({ type: 'ping' }).then((isSent) => isSent && !isOver && wait()))
  }
  wait()
  return () => {
    isOver = true
    cancel()
  }
}
