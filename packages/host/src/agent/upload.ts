/** Requests whose body comes from somewhere else, as long as it likes. */
import type { ClientHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { roomIn, within } from '../wait.js'
import type { AgentChannel, Ask } from './channel.js'

/** How long the guest may take to make room for the next piece of a file. */
const STALL_MS = 60_000
/** Pieces under this size are counted by the agent while they wait. */
const SMALL = 256

/**
 * Sends chunks as the body of a request, at the pace at which the agent takes them.
 *
 * @throws what the source of the chunks throws: that is the news then, not that the agent was left without them
 */
export async function upload(channel: AgentChannel, ask: Ask, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const source = Readable.from(chunks, { objectMode: false, signal: ask.signal })
  let failure: Error | undefined
  source.on('error', (error) => (failure ??= error))
  try {
    await channel.done(ask, (body) => {
      body.once('close', () => source.destroy())
      return send(source, body)
    })
  } catch (error) {
    ask.signal.throwIfAborted()
    throw failure ?? error
  } finally {
    source.destroy()
  }
}

async function send(source: Readable, body: ClientHttp2Stream): Promise<void> {
  // Each round takes all that the source has ready.
  for await (const piece of source as AsyncIterable<Buffer>) {
    if (body.destroyed) return
    if (!body.write(piece)) {
      await within(STALL_MS, roomIn(body), () => new Error(`it takes nothing more in ${STALL_MS} ms`))
    } else if (piece.length < SMALL) await turn()
  }
  body.end()
}
