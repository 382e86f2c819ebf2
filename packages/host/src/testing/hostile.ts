/** Agents that are somebody else's programs, for tests. */
import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  fileChangeSchema,
  fileEntrySchema,
  isProblem,
  processSchema,
  randomHex,
  sessionIdSchema,
  type Guest,
} from '@wrenn/wire'
import fc from 'fast-check'
import { AgentChannel } from '../agent/channel.js'
import { encodeFrame } from '../agent/frames.js'
import { guestOf } from '../agent/guest.js'
import type { AgentPort, Vm } from '../vmm/types.js'
import { source } from './guest.js'

/** About how many bytes of what it says come together. */
const SAID_AT_ONCE = 60_000
/** The most of an endless answer that is read. */
const ENOUGH = 50

async function some<T>(all: AsyncIterable<T>, look: (one: T) => void): Promise<void> {
  let left = ENOUGH
  for await (const one of all) {
    look(one)
    if (--left === 0) break
  }
}

const isBytes = (chunk: unknown) => {
  if (!(chunk instanceof Uint8Array)) throw new TypeError('no bytes')
}
const isChunk = (chunk: { type: string; data?: unknown; exitCode?: unknown }) => {
  if (chunk.type === 'exit' ? !Number.isSafeInteger(chunk.exitCode) : !(chunk.data instanceof Uint8Array))
    throw new TypeError('no output')
}

async function useConnection(connection: Duplex): Promise<void> {
  connection.on('error', () => {})
  connection.end('hello')
  await some(connection as AsyncIterable<Buffer>, isBytes).catch(() => {})
  connection.destroy()
}

/** Every call of a guest, with a look at whether what it gives has its shape. */
export const calls: Record<keyof Guest, (guest: Guest, signal: AbortSignal) => Promise<unknown>> = {
  exec: async (guest, signal) => {
    const { id, output } = await guest.exec({ cmd: 'x', args: [], stdin: true }, signal)
    sessionIdSchema.parse(id)
    await some(output, isChunk)
  },
  spawn: async (guest, signal) => sessionIdSchema.parse((await guest.spawn({ cmd: 'x', args: [] }, signal)).id),
  processes: async (guest, signal) => processSchema.array().parse(await guest.processes(signal)),
  attach: async (guest, signal) => some((await guest.attach('x', { from: 3 }, signal)).output, isChunk),
  writeStdin: (guest, signal) => guest.writeStdin('x', source('a', Buffer.alloc(100_000)), signal),
  endStdin: (guest, signal) => guest.endStdin('x', signal),
  resize: (guest, signal) => guest.resize('x', { cols: 1, rows: 1 }, signal),
  kill: (guest, signal) => guest.kill('x', 'SIGTERM', signal),
  writeFile: (guest, signal) => guest.writeFile('/a', source('a', Buffer.alloc(1_000_000)), signal),
  readFile: async (guest, signal) => some((await guest.readFile('/a', signal)).chunks, isBytes),
  listFiles: async (guest, signal) => fileEntrySchema.array().parse(await guest.listFiles('/', 9, signal)),
  stat: async (guest, signal) => fileEntrySchema.parse(await guest.stat('/a', signal)),
  makeDir: async (guest, signal) => fileEntrySchema.parse(await guest.makeDir('/a', signal)),
  move: async (guest, signal) =>
    fileEntrySchema.parse(await guest.move({ from: '/a', to: '/b', overwrite: true }, signal)),
  remove: (guest, signal) => guest.remove('/a', signal),
  readTar: async (guest, signal) => some(await guest.readTar('/a', signal), isBytes),
  writeTar: (guest, signal) => guest.writeTar('/a', source(Buffer.alloc(1024)), signal),
  watch: async (guest, signal) =>
    some(await guest.watch('/', true, signal), (change) => void fileChangeSchema.parse(change)),
  connect: async (guest, signal) => useConnection(await guest.connect(80, signal)),
}

/**
 * Makes every call at once. Each has to settle soon after its caller's patience has ended: with what it promises, a
 * Problem, or the caller's own reason.
 */
export async function callAll(guest: Guest, patienceMs: number): Promise<void> {
  const wrong = await Promise.all(
    Object.entries(calls).map(async ([name, call]) => {
      const signal = AbortSignal.timeout(patienceMs)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<string>((resolve) => {
        timer = setTimeout(() => resolve(`${name} does not settle`), patienceMs + 8000)
      })
      const settled = call(guest, signal).then(
        () => undefined,
        (error: unknown) => (isProblem(error) || error === signal.reason ? undefined : `${name}: ${String(error)}`),
      )
      return Promise.race([settled, late]).finally(() => clearTimeout(timer))
    }),
  )
  const found = wrong.filter((one) => one !== undefined)
  if (found.length > 0) throw new Error(found.join('\n'))
}

const byte = fc.nat(255)
const bytes = (maxLength: number) => fc.array(byte, { maxLength })

/** Frames of HTTP/2, right and wrong, as data that can be kept in a file. */
export const wireFrame = fc.record({
  type: fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: byte }),
  flags: fc.oneof(fc.constantFrom(0, 1, 4, 5, 8, 0x20, 0x2d), byte),
  stream: fc.constantFrom<number[]>(0, 1, 2, 3, 5, 7, 9, 0x7fff_ffff),
  payload: fc.oneof(
    bytes(40),
    fc.constantFrom<number[][]>([0x88], [0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff]),
  ),
  /** A length that it claims instead of its own. */
  lie: fc.option(fc.nat(0xff_ffff), { nil: undefined, freq: 9 }),
  times: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(3000) }),
})
export type WireFrame = typeof wireFrame extends fc.Arbitrary<infer T> ? T : never

function wireBytes({ type, flags, stream, payload, lie, times }: WireFrame): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(lie ?? payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  const one = Buffer.concat([header, Buffer.from(payload)])
  return Buffer.concat(Array<Buffer>(times).fill(one))
}

export const rawCase = fc.record({
  /** Whether it says what is to be said at the beginning of a connection. */
  link: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  control: bytes(100),
  /** Whether it begins as HTTP/2 does. */
  settings: fc.boolean(),
  /** Whether it does not wait for a request. */
  early: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  frames: fc.array(wireFrame, { maxLength: 20 }),
  garbage: bytes(50),
  /** Whether it closes its ends then. */
  closes: fc.boolean(),
})
export type RawCase = typeof rawCase extends fc.Arbitrary<infer T> ? T : never

/**
 * A guest whose agent says these bytes, whatever it is asked.
 *
 * @param onSaid called when the host has read them
 */
export function rawGuest(of: RawCase, onSaid = () => {}): { guest: Guest; end(): void } {
  const open: Duplex[] = []
  let marker: Buffer | undefined
  let data: Duplex | undefined
  const link = () => {
    if (!marker || !data) return
    const port = data
    const settings = of.settings
      ? [wireBytes({ type: 4, flags: 0, stream: 0, payload: [], lie: undefined, times: 1 })]
      : []
    port.write(Buffer.concat([marker, ...settings]))
    marker = data = undefined
    const speak = () => {
      let waiting: Buffer[] = []
      for (const frame of of.frames) {
        waiting.push(wireBytes(frame))
        if (waiting.reduce((sum, { length }) => sum + length, 0) < SAID_AT_ONCE) continue
        port.write(Buffer.concat(waiting))
        waiting = []
      }
      port.write(Buffer.concat([...waiting, Buffer.from(of.garbage)]), onSaid)
      if (of.closes) port.end()
    }
    if (!of.early) return onRequest(port, speak)
    port.resume()
    speak()
  }
  const openPort = async (port: AgentPort) => {
    const [host, far] = await socketPair()
    for (const end of [host, far]) end.on('error', () => {})
    open.push(host, far)
    if (port === 'data') {
      data = far
      link()
    } else
      far.on('data', (chunk: Buffer) => {
        const [, hex] = /link ([0-9a-f]{32})/.exec(chunk.toString()) ?? []
        far.write(Buffer.from(of.control))
        if (!hex || !of.link) return
        marker = Buffer.from(hex, 'hex')
        far.write(`ready ${hex}\n`)
        link()
      })
    return host
  }
  const channel = new AgentChannel({ openPort } as unknown as Vm)
  const end = () => {
    channel.close()
    for (const one of open) one.destroy()
  }
  return { guest: guestOf(channel), end }
}

/** Two ends of a real socket, as a vm has: Node.js treats what is only a stream differently. */
async function socketPair(): Promise<[Socket, Socket]> {
  const path = `\0wrenn-test-${randomHex(8)}`
  const server = createServer().listen(path)
  await once(server, 'listening')
  const near = connect(path)
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  server.close()
  return [near, far]
}

/** Calls back when the host has made its first request, behind the marker and the preface of HTTP/2. */
function onRequest(port: Duplex, then: () => void): void {
  let said = Buffer.alloc(0)
  let at = 16 + 24
  const onData = (chunk: Buffer) => {
    said = Buffer.concat([said, chunk])
    while (said.length >= at + 9) {
      if (said[at + 3] === 1) {
        port.off('data', onData).resume()
        return then()
      }
      at += 9 + said.readUIntBE(at, 3)
    }
  }
  port.on('data', onData)
}

const entry = {
  ...{ name: 'a', path: '/a', type: 'file', size: 1, mode: 420, permissions: '-rw-r--r--' },
  ...{ owner: 'root', group: 'root', modified_at: 1 },
}
const id = 'exec-0123456789abcdef'
/** Right answers, from which wrong ones are made. */
const right: Record<string, unknown>[] = [
  { processes: [{ id, pid: 7, cmd: 'sh', args: [] }] },
  { entries: [entry, entry] },
  { entry },
  { id, pid: 7, tag: 'x' },
  { id, pid: 7, offset: 0, dropped: false },
  { exit_code: 0, timed_out: false, duration_ms: 1 },
  { type: 'created', path: '/a' },
  { error: { code: 'not_found', message: 'There is none.' } },
]
const strange = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(-1, 1e308, 2 ** 53, '\u0000', '../..', 'a\r\nb', '\ud800', [[[[]]]], '__proto__', 'constructor'),
)
const message = fc.oneof(
  fc.constantFrom(...right),
  fc.tuple(fc.constantFrom(...right), strange, fc.nat(9)).map(([base, value, at]) => {
    const keys = Object.keys(base)
    return { ...base, [keys[at % keys.length]!]: value }
  }),
  fc.tuple(fc.constantFrom('processes', 'entries'), strange).map(([key, value]) => ({ [key]: [value] })),
)
const part = fc.oneof(
  fc.record({ json: message, newline: fc.boolean() }),
  fc.record({ frame: fc.constantFrom(0x81, 0x82, 0x83, 0x84, 0x85, 0), json: message }),
  fc.record({ frame: byte, bytes: bytes(60) }),
  fc.record({ bytes: bytes(60), times: fc.constantFrom(1, 1, 1, 5000) }),
)
const header = fc.oneof(
  fc.constantFrom(['content-length', '5'], ['content-length', '-1'], ['content-type', 'x'], ['x', 'y'.repeat(9000)]),
  fc.tuple(fc.stringMatching(/^[a-z]{1,9}$/), fc.stringMatching(/^[ -~]{0,20}$/)),
)

/** An answer that HTTP/2 lets pass, as data that can be kept in a file. */
export const answerCase = fc.record({
  status: fc.constantFrom(200, 200, 200, 200, 204, 206, 304, 404, 500, 599),
  headers: fc.array(header, { maxLength: 4 }),
  early: fc.nat(3),
  parts: fc.array(part, { maxLength: 6 }),
  end: fc.constantFrom('end', 'end', 'end', 'reset', 'hang', 'goaway', 'cut', 'trailers', 'endless'),
})
export type AnswerCase = typeof answerCase extends fc.Arbitrary<infer T> ? T : never
type Part = AnswerCase['parts'][number]

function partBytes(one: Part): Buffer {
  const text = 'json' in one ? Buffer.from(JSON.stringify(one.json)) : Buffer.from(one.bytes)
  if ('frame' in one) return encodeFrame(one.frame, text)
  if ('newline' in one) return Buffer.concat([text, Buffer.from(one.newline ? '\n' : '')])
  return Buffer.concat(Array<Buffer>('times' in one ? one.times : 1).fill(text))
}

/** Answers a request so. */
export function answerAs(stream: ServerHttp2Stream, { status, headers, early, parts, end }: AnswerCase): void {
  if (stream.destroyed) return
  try {
    for (let i = 0; i < early; i++) stream.additionalHeaders({ ':status': 103 })
    stream.respond({ ':status': status, ...Object.fromEntries(headers) }, { waitForTrailers: end === 'trailers' })
  } catch {
    stream.destroy()
    return
  }
  stream.once('wantTrailers', () => stream.sendTrailers({ a: 'b' }))
  for (const one of parts) stream.write(partBytes(one))
  if (end === 'end' || end === 'trailers') stream.end()
  else if (end === 'reset') stream.close(2)
  else if (end === 'goaway') stream.session?.goaway(0)
  else if (end === 'cut') stream.session?.destroy()
  else if (end === 'endless') {
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(16_384)));
      if (!stream.destroyed) stream.once('drain', more)
    }
    more()
  }
}
