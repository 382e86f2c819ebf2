import { Problem, type ExecBody } from '@wrenn/wire'
import { readOutput, stream } from '../services/exec.js'
import type { Services } from '../services/services.js'
import { readBytes } from './bodies.js'
import { accepts, type Call, type Handlers } from './call.js'
import { logFailure } from './errors.js'
import { lines, NDJSON } from './lines.js'

type ExecRoutes = 'exec' | 'listProcesses' | 'killProcess' | 'readOutput' | 'writeStdin' | 'endStdin' | 'resizeTerminal'

const done = { status: 204 }

/** Programs inside a capsule. The capsule's state comes before the request's body. */
export function execHandlers({ inside, sessions, runs }: Services): Pick<Handlers, ExecRoutes> {
  const guestOf = ({ caller, params: { id }, onEnd }: Pick<Call<'exec'>, 'caller' | 'params' | 'onEnd'>) =>
    inside.guest({ caller, id, onEnd })
  return {
    exec: async (call) => {
      const guest = await guestOf(call)
      const { json, params, request, signal, begun } = call
      const body = json()
      const head = { sandbox_id: params.id, cmd: body.cmd }
      if (body.background) {
        const { id, pid, tag } = await runs.spawn(guest, body, begun)
        return { status: 202, json: { ...head, id, pid, tag } }
      }
      if (accepts(request, NDJSON)) {
        const live = { signal, failed: (error: unknown) => logFailure(error, request) }
        return { status: 200, contentType: NDJSON, stream: lines(await stream(guest, body, live)) }
      }
      assertNoTerminal(body)
      return { status: 200, json: { ...head, ...(await runs.run(guest, body, { signal, begun })) } }
    },
    listProcesses: async (call) => {
      const guest = await guestOf(call)
      return { status: 200, json: { processes: await guest.processes(call.signal) } }
    },
    killProcess: async (call) => {
      const guest = await guestOf(call)
      await guest.kill(call.params.selector, call.query.signal, call.signal)
      return done
    },
    readOutput: async (call) => {
      const guest = await guestOf(call)
      const { params, query, request, signal, onEnd } = call
      const live = { signal, failed: (error: unknown) => logFailure(error, request) }
      const { id, events } = await readOutput(guest, { selector: params.selector, start: query }, live)
      // How a reader leaves cannot be told here: it may have been lost.
      const leave = sessions.attached(params.id, id)
      onEnd(() => leave('lost'))
      return { status: 200, contentType: NDJSON, stream: lines(events) }
    },
    writeStdin: async (call) => {
      const guest = await guestOf(call)
      await readBytes(call.request, (chunks) => guest.writeStdin(call.params.selector, chunks, call.signal))
      return done
    },
    endStdin: async (call) => {
      const guest = await guestOf(call)
      await guest.endStdin(call.params.selector, call.signal)
      return done
    },
    resizeTerminal: async (call) => {
      const guest = await guestOf(call)
      await guest.resize(call.params.selector, call.json(), call.signal)
      return done
    },
  }
}

/** @throws Problem `invalid_request` */
function assertNoTerminal({ pty }: ExecBody): void {
  if (pty)
    throw new Problem('invalid_request', 'pty: a program with a terminal is not waited for.', {
      hint: 'Set background, or stream its output (Accept: application/x-ndjson).',
    })
}
