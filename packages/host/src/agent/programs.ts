/** Programs in a capsule, over its agent. */
import type { ClientHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import type { ExecSpec, Guest, OutputStart } from '@wrenn/wire'
import type { AgentChannel, Ask } from './channel.js'
import { encodeFrame, frameTypes } from './frames.js'
import { openOutput, type Opened } from './output.js'
import { agentProblem, positionSchema, processesSchema, startedSchema, type Started } from './shapes.js'

type Programs = Pick<Guest, 'exec' | 'spawn' | 'processes' | 'attach' | 'writeStdin' | 'endStdin' | 'resize' | 'kill'>

/** What is written to a program waits here, in bytes, while it takes what came before. */
const MOST_WAITING = 256 * 1024

export function programsOf(channel: AgentChannel): Programs {
  return {
    async exec(spec, signal) {
      const { first, output } = await start(channel, spec, signal)
      return { ...first, output }
    },

    async spawn(spec, signal) {
      const { first, body } = await start(channel, { ...spec, isDetached: true }, signal)
      body.destroy()
      if (first.tag === undefined) throw agentProblem()
      return { ...first, tag: first.tag }
    },

    async processes(signal) {
      return (await channel.json({ method: 'GET', path: '/v1/processes', signal }, processesSchema)).processes
    },

    async attach(selector, from, signal) {
      const ask: Ask = { method: 'GET', path: to(selector, `output${query(from)}`), signal }
      const { body } = await channel.open(ask)
      const { first, output } = await openOutput({ body, signal }, frameTypes.position, positionSchema)
      return { ...first, output }
    },

    writeStdin: (selector, chunks, signal) =>
      writeStdin(channel, { method: 'POST', path: to(selector, 'stdin'), signal, isEndless: true }, chunks),

    // It waits behind what is being written, and so for the program.
    endStdin: (selector, signal) =>
      channel.done({ method: 'POST', path: to(selector, 'stdin/end'), signal, isEndless: true }),

    resize: (selector, { cols, rows }, signal) =>
      channel.done({ method: 'POST', path: to(selector, 'resize'), json: { cols, rows }, signal }),

    kill: (selector, how, signal) =>
      channel.done({ method: 'POST', path: to(selector, 'signal'), json: { signal: how }, signal }),
  }
}

function to(selector: string, call: string): string {
  return `/v1/processes/${encodeURIComponent(selector)}/${call}`
}

function query({ from, tail }: OutputStart): string {
  if (from !== undefined) return `?from=${from}`
  return tail === undefined ? '' : `?tail=${tail}`
}

async function start(
  channel: AgentChannel,
  { timeoutMs, onDisconnect, stdin = false, isDetached = false, ...spec }: ExecSpec & { isDetached?: boolean },
  signal: AbortSignal,
): Promise<Opened<Started> & { body: ClientHttp2Stream }> {
  const json = {
    ...{ cmd: spec.cmd, args: spec.args, envs: spec.envs, cwd: spec.cwd, tag: spec.tag, pty: spec.pty },
    timeout_ms: timeoutMs,
    on_disconnect: onDisconnect,
    detached: isDetached,
    // A terminal is a stdin.
    stdin: spec.pty ? undefined : stdin,
  }
  const frame = encodeFrame(frameTypes.start, Buffer.from(JSON.stringify(json)))
  channel.hasResidue ||= Object.keys(spec.envs ?? {}).length > 0
  const { body } = await channel.open({ method: 'POST', path: '/v1/exec', signal }, (request) => {
    // The end of the request is that of an attached program's stdin.
    if (stdin && !isDetached) request.write(frame)
    else request.end(frame)
  })
  return { ...(await openOutput({ body, signal }, frameTypes.started, startedSchema)), body }
}

/**
 * Writes request by request: while the program takes one, what comes meanwhile is put together for the next. So however
 * small the pieces are in which it is typed, never more than one waits in the guest.
 */
async function writeStdin(channel: AgentChannel, ask: Ask, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const { signal } = ask
  const source = Readable.from(chunks, { objectMode: false, highWaterMark: MOST_WAITING, signal })
  const write = (piece?: Buffer) => channel.done(ask, (body) => void body.end(piece))
  try {
    let isEmpty = true
    for await (const piece of source as AsyncIterable<Buffer>) {
      isEmpty = false
      await write(piece)
    }
    // Whether there is such a program is to be told in any case.
    if (isEmpty) await write()
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    source.destroy()
  }
}
