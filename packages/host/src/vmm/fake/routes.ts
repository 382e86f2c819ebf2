/** The fake agent's answers: agent/PROTOCOL.md over the in-memory guest. */
import type { ServerHttp2Stream } from 'node:http2'
import type { KillSignal } from '@wrenn/wire'
import { decodeFrames, encodeFrame, frameTypes } from '../../agent/frames.js'
import { PROTOCOL } from '../../agent/shapes.js'
import type { FakeGuest } from './guest.js'
import type { StartProcess } from './processes.js'
import { FakeError } from './tree.js'

/** A JSON answer; undefined answers 204. The exec and the file contents write their streams themselves. */
type Answer = object | undefined | typeof answered
const answered = Symbol('answered')

export interface Call {
  guest: FakeGuest
  stream: ServerHttp2Stream
  query: URLSearchParams
  selector: string
}

type Handler = (call: Call) => Promise<Answer> | Answer

const path = ({ query }: Call) => query.get('path') ?? ''

/** By method and path; `*` is one segment, the call's selector. */
export const fakeRoutes: Record<string, Handler> = {
  'GET /v1/health': () => ({ version: '0.0.0-fake', protocol: PROTOCOL, kernel: 'fake', uptime_ms: 1 }),
  'POST /v1/prepare': () => undefined,
  'POST /v1/renew': async ({ guest, stream }) => {
    const { hostname } = (await jsonOf(stream)) as { hostname: string }
    guest.hostname = hostname
    return { renewed: ['random', 'clock', 'hostname', 'machine_id', 'identity'] }
  },
  'POST /v1/exec': exec,
  'GET /v1/processes': ({ guest }) => ({ processes: guest.processes.list() }),
  'POST /v1/processes/*/signal': async ({ guest, stream, selector }) => {
    guest.processes.signal(selector, ((await jsonOf(stream)) as { signal: KillSignal }).signal)
    return undefined
  },
  'GET /v1/files': (call) => {
    const content = call.guest.tree.read(path(call))
    call.stream.respond({ ':status': 200, 'content-length': content.length })
    call.stream.end(content)
    return answered
  },
  'PUT /v1/files': async (call) => {
    call.guest.tree.write(path(call), await bytesOf(call.stream))
    return undefined
  },
  'DELETE /v1/files': (call) => {
    call.guest.tree.remove(path(call))
    return undefined
  },
  'GET /v1/files/list': (call) => ({ entries: call.guest.tree.list(path(call), Number(call.query.get('depth') ?? 1)) }),
  'POST /v1/files/mkdir': (call) => ({ entry: call.guest.tree.makeDir(path(call)) }),
}

/** Answers one request. */
export async function answer(call: Call, handler: Handler): Promise<void> {
  const result = await handler(call)
  if (result === answered || call.stream.destroyed) return
  call.stream.respond({ ':status': result ? 200 : 204, 'content-type': 'application/json' }, { endStream: !result })
  if (result) call.stream.end(JSON.stringify(result))
}

async function exec({ guest, stream }: Call): Promise<Answer> {
  const frames = decodeFrames(stream as AsyncIterable<Buffer>)
  const { value: first } = (await frames.next()) as { value: { payload: Buffer } }
  const spec = JSON.parse(first.payload.toString()) as StartProcess
  const send = async (type: number, payload: Buffer) => {
    for (let at = 0; at < payload.length && !stream.destroyed; at += PIECE) {
      await written(stream, encodeFrame(type, payload.subarray(at, at + PIECE)))
    }
  }
  const stdin = (async function* () {
    for await (const { type, payload } of frames) if (type === frameTypes.stdin) yield payload
  })()
  let begin!: () => void
  const begun = new Promise<void>((resolve) => (begin = resolve))
  const streams = {
    stdin,
    out: (data: Buffer | string) => begun.then(() => send(frameTypes.stdout, Buffer.from(data as string))),
    err: (data: Buffer | string) => begun.then(() => send(frameTypes.stderr, Buffer.from(data as string))),
  }
  const { pid, tag, exited } = guest.processes.start(spec, spec.detached ? undefined : streams)
  stream.respond({ ':status': 200 })
  void send(frameTypes.started, Buffer.from(JSON.stringify({ pid, tag })))
  begin()
  if (spec.detached) {
    stream.end()
    return answered
  }
  const kill = () =>
    guest.processes.list().some((running) => running.pid === pid) && guest.processes.signal(String(pid), 'SIGKILL')
  stream.once('close', kill)
  const end = await exited
  stream.off('close', kill)
  await send(frameTypes.exited, Buffer.from(JSON.stringify(end)))
  stream.end()
  return answered
}

const PIECE = 64 * 1024

/** Resolves when the stream has room again, or is gone. */
function written(stream: ServerHttp2Stream, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    if (stream.write(data)) return setImmediate(resolve)
    stream.once('drain', done).once('close', done)
  })
}

async function bytesOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  // A request that broke off ends like any other.
  if (stream.aborted || stream.rstCode) throw new FakeError('invalid', 'The request broke off.')
  return Buffer.concat(chunks)
}

async function jsonOf(stream: ServerHttp2Stream): Promise<unknown> {
  return JSON.parse((await bytesOf(stream)).toString())
}
