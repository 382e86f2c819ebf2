/** Programs over WebSockets: started, or taken up again. */
import type { Problem } from '@wrenn/wire'
import { streamInputSchema, streamStartSchema, type ExecSession, type StreamStart } from '@wrenn/wire'
import { textPiece } from '../services/encoding.js'
import { timedOut } from '../services/exec-problems.js'
import type { Leave } from '../services/sessions.js'
import type { Stdin } from '../services/stdin.js'
import { tell } from '../services/tell.js'
import { converse } from './conversation.js'
import { logFailure, problemOf } from './errors.js'
import type { Message, Peer } from './peer.js'
import { opening, parseMessage, untilDone, type SocketCall, type SocketRoute } from './socket-call.js'

const failure = ({ code, message }: Problem) => ({ type: 'error', data: message, code })

/** `…/exec/stream` */
export const execStream: SocketRoute = {
  failure,
  open: async (call) => async (peer) => {
    const asked = await opening(peer, streamStartSchema)
    const controller = new AbortController()
    // Not called off when the peer leaves: whether it was started would not be known.
    const session = await start(call, asked, controller.signal).catch(async (error: unknown) => {
      await peer.send(failure(problemOf(error, call.request)))
    })
    if (!session) return
    const { services, params } = call
    const leave = asked.on_disconnect === 'kill' ? services.sessions.started(params.id, session.id) : () => {}
    const limit = asked.timeout_sec
    await talk({
      call,
      peer,
      session,
      controller,
      leave,
      begin: { offset: 0 },
      ...(limit ? { timedOut: timedOut({ timeout_sec: limit }) } : {}),
    })
  },
}

/** `…/processes/{selector}/stream` */
export const processStream: SocketRoute = {
  failure,
  open: async (call) => {
    const { guest, params, query, signal, services } = call
    const controller = new AbortController()
    const session = await guest.attach(params.selector!, query, AbortSignal.any([signal, controller.signal]))
    return (peer) => {
      const leave = services.sessions.attached(params.id, session.id)
      return talk({ call, peer, session, controller, leave, begin: session })
    }
  },
}

function start({ guest }: SocketCall, asked: StreamStart, signal: AbortSignal): Promise<ExecSession> {
  const { type: _type, timeout_sec: limit, on_disconnect: _rule, ...spec } = asked
  const timeoutMs = limit === undefined ? undefined : limit * 1000
  return guest.exec({ ...spec, stdin: true, onDisconnect: 'keep', timeoutMs }, signal)
}

interface Talk {
  call: SocketCall
  peer: Peer
  session: ExecSession
  controller: AbortController
  begin: { offset: number; dropped?: boolean }
  leave: Leave
  timedOut?: Problem
}

async function talk({ call, peer, session, controller, leave, ...how }: Talk): Promise<void> {
  const { guest, services, request } = call
  const { id } = session
  const failed = (error: unknown) => {
    if (!controller.signal.aborted) logFailure(error, request)
  }
  await converse({
    peer,
    program: { guest, id, detach: () => controller.abort() },
    services,
    events: messages(tell({ session, encode: textPiece, failed, ...how })),
    heard: (message, stdin) => hear(message, { call, id, stdin }),
    failure,
    leave,
  })
}

async function* messages(events: ReturnType<typeof tell<{ data: string }>>): AsyncGenerator<object> {
  for await (const event of events) {
    if (event.type === 'exit') yield { type: 'exit', exit_code: event.exit_code }
    else if (event.type === 'error') yield { type: 'error', data: event.message, code: event.code }
    else yield event
  }
}

interface Heard {
  call: SocketCall
  id: string
  stdin: Stdin
}

async function hear(message: Message, { call, id, stdin }: Heard): Promise<void> {
  const said = parseMessage(streamInputSchema, message)
  if (said.type === 'stdin') await stdin.write(Buffer.from(said.data, said.encoding))
  else if (said.type === 'stdin_end') stdin.end()
  else await call.guest.kill(id, 'SIGKILL', untilDone())
}
