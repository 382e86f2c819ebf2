import type { KillSignal, TerminalSize } from '@wrenn/wire'
import { encodeFrame, frameTypes } from '../../../agent/frames.js'
import { answered, chunksOf, jsonOf, written, type Answer, type Call, type Routes } from './call.js'
import { jsonBytes, sendOutput } from './exec.js'

const number = ({ query }: Call, name: string) => (query.has(name) ? Number(query.get(name)) : undefined)

export const processRoutes: Routes = {
  'GET /v1/processes': ({ guest }) => ({ processes: guest.sessions.list() }),
  'POST /v1/processes/*/signal': async ({ guest, stream, selector }) => {
    const { signal } = (await jsonOf(stream)) as { signal: KillSignal }
    guest.sessions.running(selector).signal(signal)
    return undefined
  },
  'GET /v1/processes/*/output': output,
  'POST /v1/processes/*/stdin': async ({ guest, stream, selector }) => {
    const session = guest.sessions.running(selector)
    session.checkStdin()
    for await (const chunk of chunksOf(stream)) await session.write(chunk)
    return undefined
  },
  'POST /v1/processes/*/stdin/end': ({ guest, selector }) => {
    guest.sessions.running(selector).endStdin()
    return undefined
  },
  'POST /v1/processes/*/resize': async ({ guest, stream, selector }) => {
    const size = (await jsonOf(stream)) as TerminalSize
    guest.sessions.running(selector).resize(size)
    return undefined
  },
}

async function output(call: Call): Promise<Answer> {
  const { guest, stream, selector } = call
  const session = guest.sessions.find(selector)
  const reader = session.log.read({ from: number(call, 'from'), tail: number(call, 'tail') })
  const { id, pid, tag } = session.body
  const { offset, dropped } = reader
  stream.respond({ ':status': 200 })
  await written(stream, encodeFrame(frameTypes.position, jsonBytes({ id, pid, tag, offset, dropped })))
  await sendOutput(stream, session, reader)
  return answered
}
