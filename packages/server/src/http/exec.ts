import type { ExecEvent } from '@wrenn/wire'
import { runToEnd, spawn, stream } from '../services/exec.js'
import type { Services } from '../services/services.js'
import { accepts, type Handlers } from './call.js'
import { logFailure } from './errors.js'

const NDJSON = 'application/x-ndjson'

/** Programs inside a capsule. The capsule's state comes before the request's body. */
export function execHandlers({ inside }: Services): Pick<Handlers, 'exec' | 'listProcesses' | 'killProcess'> {
  return {
    exec: async ({ caller, params: { id }, json, signal, request, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      const body = json()
      const head = { sandbox_id: id, cmd: body.cmd }
      if (body.background) {
        const { id: session, pid, tag } = await spawn(guest, body)
        return { status: 202, json: { ...head, id: session, pid, tag } }
      }
      if (accepts(request, NDJSON)) {
        const live = { signal, failed: (error: unknown) => logFailure(error, request) }
        return { status: 200, contentType: NDJSON, stream: lines(await stream(guest, body, live)) }
      }
      return { status: 200, json: { ...head, ...(await runToEnd(guest, body, signal)) } }
    },
    listProcesses: async ({ caller, params: { id }, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      return { status: 200, json: { processes: await guest.processes(signal) } }
    },
    killProcess: async ({ caller, params: { id, selector }, query, signal, onEnd }) => {
      const guest = await inside.guest({ caller, id, onEnd })
      await guest.kill(selector, query.signal, signal)
      return { status: 204 }
    },
  }
}

async function* lines(events: AsyncGenerator<ExecEvent>): AsyncGenerator<string> {
  for await (const event of events) yield JSON.stringify(event) + '\n'
}
