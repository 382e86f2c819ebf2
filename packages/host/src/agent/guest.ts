/** What may be done inside a capsule, over its agent. */
import { constants, type ClientHttp2Stream } from 'node:http2'
import type { ExecChunk, ExecSession, ExecSpec, FileContent, FileEntry, Guest, KillSignal, ProcessBody } from '@wrenn/wire'
import { isProblem, Problem } from '@wrenn/wire'
import { roomIn } from '../wait.js'
import type { AgentChannel } from './channel.js'
import { decodeFrames, encodeFrame, frameTypes, type Frame } from './frames.js'
import { entriesSchema, entrySchema, exitedSchema, processesSchema, silent, startedSchema } from './shapes.js'

export class AgentGuest implements Guest {
  constructor(private readonly channel: AgentChannel) {}

  async exec(spec: ExecSpec & { timeoutMs?: number | undefined }, signal: AbortSignal): Promise<ExecSession> {
    const { frames, body } = await this.#start(spec, { timeout_ms: spec.timeoutMs }, signal)
    const { pid } = await started(frames)
    return { pid, output: outputOf(frames, body) }
  }

  async spawn(spec: ExecSpec, signal: AbortSignal): Promise<{ pid: number; tag: string }> {
    const { frames, body } = await this.#start(spec, { detached: true }, signal)
    const { pid, tag } = await started(frames)
    body.resume()
    return { pid, tag: tag ?? String(pid) }
  }

  async processes(signal: AbortSignal): Promise<ProcessBody[]> {
    return (await this.channel.json({ method: 'GET', path: '/v1/processes', signal }, processesSchema)).processes
  }

  async kill(selector: string, how: KillSignal, signal: AbortSignal): Promise<void> {
    const path = `/v1/processes/${encodeURIComponent(selector)}/signal`
    await this.channel.done({ method: 'POST', path, json: { signal: how }, signal })
  }

  async writeFile(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    let failure: unknown
    const ask = { method: 'PUT', path: files('', { path }), signal } as const
    const answer = this.channel.open(ask, (stream) => {
      send(chunks, stream).catch((error: unknown) => {
        failure = error
        stream.close(constants.NGHTTP2_CANCEL)
      })
    })
    // Where the source of the bytes failed, that is the news, not that the agent was then left without them.
    const { body } = await answer.catch((error: unknown) => Promise.reject((failure ?? error) as Error))
    body.resume()
  }

  async readFile(path: string, signal: AbortSignal): Promise<FileContent> {
    const { headers, body } = await this.channel.open({ method: 'GET', path: files('', { path }), signal }, (stream) => stream.end())
    const length = headers['content-length']
    return { size: length === undefined ? undefined : Number(length), chunks: body as AsyncIterable<Uint8Array> }
  }

  async listFiles(path: string, depth: number, signal: AbortSignal): Promise<FileEntry[]> {
    const asked = { method: 'GET', path: files('/list', { path, depth: String(depth) }), signal } as const
    return (await this.channel.json(asked, entriesSchema)).entries
  }

  async makeDir(path: string, signal: AbortSignal): Promise<FileEntry> {
    return (await this.channel.json({ method: 'POST', path: files('/mkdir', { path }), signal }, entrySchema)).entry
  }

  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.channel.done({ method: 'DELETE', path: files('', { path }), signal })
  }

  async #start({ cmd, args, envs, cwd, tag }: ExecSpec, more: object, signal: AbortSignal): Promise<{ frames: AsyncGenerator<Frame>; body: ClientHttp2Stream }> {
    const start = Buffer.from(JSON.stringify({ cmd, args, envs, cwd, tag, ...more }))
    const { body } = await this.channel.open({ method: 'POST', path: '/v1/exec', signal }, (stream) => {
      stream.end(encodeFrame(frameTypes.start, start))
    })
    return { frames: decodeFrames(body as AsyncIterable<Buffer>), body }
  }
}

function files(call: string, query: Record<string, string>): string {
  return `/v1/files${call}?${new URLSearchParams(query).toString().replaceAll('+', '%20')}`
}

/** Sends a body at the pace at which the agent takes it. */
async function send(chunks: AsyncIterable<Uint8Array>, stream: ClientHttp2Stream): Promise<void> {
  for await (const chunk of chunks) {
    if (stream.destroyed) return
    if (!stream.write(chunk)) await roomIn(stream)
  }
  stream.end()
}

async function started(frames: AsyncGenerator<Frame>): Promise<{ pid: number; tag?: string | undefined }> {
  const { value } = (await frames.next()) as { value: Frame | undefined }
  if (value?.type !== frameTypes.started) throw silent('starting a program')
  return startedSchema.parse(JSON.parse(value.payload.toString()))
}

async function* outputOf(frames: AsyncGenerator<Frame>, body: ClientHttp2Stream): AsyncGenerator<ExecChunk> {
  try {
    for await (const { type, payload } of frames) {
      if (type === frameTypes.stdout) yield { type: 'stdout', data: payload }
      else if (type === frameTypes.stderr) yield { type: 'stderr', data: payload }
      else if (type === frameTypes.exited) {
        const { exit_code, timed_out, duration_ms } = exitedSchema.parse(JSON.parse(payload.toString()))
        yield { type: 'exit', exitCode: exit_code, timedOut: timed_out, durationMs: duration_ms }
        return
      }
    }
    throw new Problem('agent_error', 'The capsule was lost while the program ran.')
  } catch (error) {
    throw isProblem(error) ? error : silent('while the program ran', error)
  } finally {
    // Leaving early ends the request, and with it the program.
    body.close()
  }
}
