/** A guest whose agent is somebody else's program. */
import type { ServerHttp2Stream } from 'node:http2'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { source, testGuest, whole, type TestGuest } from '../testing/guest.js'
import { rawGuest, type WireFrame } from '../testing/hostile.js'
import { encodeFrame, frameTypes } from './frames.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

let signal: AbortSignal
let fixture: TestGuest
beforeEach(() => {
  signal = AbortSignal.timeout(10_000)
})
afterEach(() => fixture.end())

/** Whatever is asked is answered so. */
function answering(...parts: (string | Uint8Array)[]): TestGuest {
  return (fixture = testGuest((stream) => say(stream, parts)))
}

function say(stream: ServerHttp2Stream, parts: (string | Uint8Array)[]): void {
  stream.respond({ ':status': 200 })
  for (const part of parts) stream.write(part)
  stream.end()
}

const json = (value: object) => Buffer.from(JSON.stringify(value))
const started = encodeFrame(frameTypes.started, json({ id: 'exec-0123456789abcdef', pid: 7 }))
const agentError = { code: 'agent_error' }

test.each([
  ['is empty', []],
  ['is no JSON', ['{{{']],
  ['has another shape', [JSON.stringify({ processes: [{ pid: 'x' }] })]],
])('an answer that %s makes no sense', async (_, parts) => {
  const { guest } = answering(...parts)
  await expect(guest.processes(signal)).rejects.toMatchObject(agentError)
  await expect(guest.stat('/a', signal)).rejects.toMatchObject(agentError)
})

test.each([
  ['empty', []],
  ['longer than any', [Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff])]],
  ['cut off', [started.subarray(0, 9)]],
  ['of another kind', [encodeFrame(frameTypes.stdout, Buffer.from('x'))]],
  ['no JSON', [encodeFrame(frameTypes.started, Buffer.from('}'))]],
  ['without sense', [encodeFrame(frameTypes.started, json({ id: '../../etc', pid: -1 }))]],
])('a first frame that is %s fails the start and the attachment', async (_, parts) => {
  const { guest } = answering(...parts)
  await expect(guest.exec({ cmd: 'x', args: [] }, signal)).rejects.toMatchObject(agentError)
  await expect(guest.spawn({ cmd: 'x', args: [] }, signal)).rejects.toMatchObject(agentError)
  await expect(guest.attach('x', {}, signal)).rejects.toMatchObject(agentError)
})

test.each([
  ['longer than any', Buffer.from([0x82, 0x00, 0x01, 0x00, 0x01])],
  ['cut off', Buffer.from([0x82, 0x00, 0x00, 0x00, 0x05, 0x41])],
  ['the last without an exit', encodeFrame(frameTypes.stdout, Buffer.from('x'))],
  ['an exit without sense', encodeFrame(frameTypes.exited, json({ exit_code: 'zero' }))],
])('a frame that is %s fails the output', async (_, frame) => {
  const { output } = await answering(started, frame).guest.exec({ cmd: 'x', args: [] }, signal)
  const read = async () => {
    for await (const chunk of output) expect(chunk.type).toBe('stdout')
  }
  await expect(read()).rejects.toMatchObject(agentError)
})

test.each([
  ['no JSON', ['garbage\n']],
  ['another shape', ['{"type":"moved","path":"/a"}\n']],
  ['cut off', ['{"type":"overflow"']],
])('a line of a watch that is %s fails it', async (_, parts) => {
  const read = async () => {
    for await (const _ of await answering(...parts).guest.watch('/', true, signal));
  }
  await expect(read()).rejects.toMatchObject(agentError)
})

test('a line that never ends fails its watch without being kept', async () => {
  let sent = 0
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 200 })
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(16_384, 'x'))) sent += 16_384
      if (!stream.destroyed) stream.once('drain', more)
    }
    more()
  })
  const changes = await fixture.guest.watch('/', true, signal)
  const read = async () => {
    for await (const _ of changes);
  }
  await expect(read()).rejects.toMatchObject(agentError)
  expect(sent).toBeLessThan(4 * 1024 * 1024)
})

test('an answer without content that has some without end is refused', async () => {
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 200 })
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(16_384)));
      if (!stream.destroyed) stream.once('drain', more)
    }
    more()
  })
  await expect(fixture.guest.remove('/a', signal)).rejects.toMatchObject(agentError)
})

test('the code of an error is looked up and nothing else of the table', async () => {
  for (const code of ['constructor', '__proto__', 'internal_error', 'exhausted']) {
    fixture = testGuest((stream) => {
      stream.respond({ ':status': 500 })
      stream.end(JSON.stringify({ error: { code, message: 'Words.' } }))
    })
    await expect(fixture.guest.stat('/a', signal)).rejects.toMatchObject({ ...agentError, message: 'Words.' })
    fixture.end()
  }
})

test('a size that makes no sense is as good as none', async () => {
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 200, 'content-length': '99999999999999999' })
    stream.end('a')
  })
  const file = fixture.guest.readFile('/a', signal).then(async ({ size, chunks }) => {
    expect(size).toBeUndefined()
    return whole(chunks)
  })
  await expect(file).rejects.toMatchObject(agentError)
})

test('an answer that breaks off is no whole file', async () => {
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 200 })
    stream.write('some', () => stream.destroy(new Error('reset')))
  })
  const { chunks } = await fixture.guest.readFile('/a', signal)
  await expect(whole(chunks)).rejects.toMatchObject(agentError)
})

test('one that drops the connection fails what was asked over it', async () => {
  const { guest } = (fixture = testGuest((stream) => {
    stream.session?.destroy()
  }))
  await expect(guest.processes(signal)).rejects.toMatchObject(agentError)
  await expect(guest.writeFile('/a', source('x'), signal)).rejects.toMatchObject(agentError)
})

/** An answer of 200 with a body of so many bytes, made of copies of one piece. */
function answeringMuch(begin: string, piece: string, size: number): TestGuest {
  return (fixture = testGuest((stream) => {
    stream.respond({ ':status': 200 })
    stream.write(begin)
    const block = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)))
    let left = size
    const more = () => {
      while (left > 0 && !stream.destroyed) {
        left -= block.length
        if (!stream.write(block)) return void stream.once('drain', more)
      }
      stream.end()
    }
    more()
  }))
}

test.each([
  ['nested lists', '{"entries":', '['],
  ['empty lists', '{"entries":[', '[],'],
  ['members', '{', '"a":1,'],
  ['numbers', '{"entries":[', '1,'],
  ['wrong entries', '{"entries":[1', ',1'],
])('fifteen megabytes of %s take no gigabytes', async (_, begin, piece) => {
  const { guest } = answeringMuch(begin, piece, 15 * 1024 * 1024)
  const before = process.memoryUsage().rss
  await expect(guest.listFiles('/', 1, signal)).rejects.toMatchObject(agentError)
  expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024)
})

test('of a long list the first wrong entry is the last that is looked at', async () => {
  const { guest } = answering(JSON.stringify({ entries: Array(1_000_000).fill(7) }))
  const began = performance.now()
  await expect(guest.listFiles('/', 1, signal)).rejects.toMatchObject(agentError)
  expect(performance.now() - began).toBeLessThan(3000)
})

test('answers of one capsule that are held at once have a bound together', async () => {
  const { guest } = answeringMuch('{"entries":[', ' ', 12 * 1024 * 1024)
  const asked = Array.from({ length: 10 }, () => guest.listFiles('/', 1, signal).catch((error: unknown) => error))
  const causes = (await Promise.all(asked)).map((error) => String((error as Error).cause))
  expect(causes.filter((cause) => cause.includes('at once')).length).toBeGreaterThan(3)
  // Nothing is counted any more once they are gone.
  const one = await guest.listFiles('/', 1, signal).catch((error: unknown) => error)
  expect(String((one as Error).cause)).not.toContain('at once')
})

test('one that says that it is leaving, and stays, does not keep others from a new connection', async () => {
  let asked = 0
  const { guest } = (fixture = testGuest((stream) => {
    if (asked++ === 0) return stream.session?.goaway(0)
    say(stream, ['{"processes":[]}'])
  }))
  void guest.processes(signal).catch(() => {})
  await expect.poll(() => guest.processes(signal).catch(() => 'failed')).toEqual([])
})

test('one that floods the control port loses its connection', async () => {
  const { guest } = (fixture = testGuest((stream) => {
    fixture.say('control', Buffer.alloc(128 * 1024, 'x'))
    void stream
  }))
  await expect(guest.processes(signal)).rejects.toMatchObject(agentError)
})

test('bytes that wait for their reader keep nothing of what came around them', async () => {
  const plain = { flags: 0, lie: undefined, times: 1 }
  const frames: WireFrame[] = [{ ...plain, type: 1, flags: 4, stream: 1, payload: [0x88] }]
  // Frames of a kind that nobody knows are passed over; between them a file comes, byte by byte.
  const unknown: WireFrame = { ...plain, type: 0xbb, stream: 0, payload: Array<number>(16_000).fill(0), times: 4 }
  for (let i = 0; i < 1500; i++) frames.push(unknown, { ...plain, type: 0, stream: 1, payload: [7] })
  let onSaid = () => {}
  const said = new Promise<void>((resolve) => (onSaid = resolve))
  const raw = rawGuest({ link: true, early: false, control: [], settings: true, frames, garbage: [], closes: false }, onSaid)
  fixture = { ...testGuest(), end: raw.end }
  const { chunks } = await raw.guest.readFile('/a', signal)
  await said
  await expect.poll(() => heldBytes()).toBeLessThan(40 * 1024 * 1024)
  let read = 0
  for await (const chunk of chunks) {
    read += chunk.length
    if (read === 1500) break
  }
})

/** What buffers hold after everything that nobody needs is gone. */
function heldBytes(): number {
  collect()
  return process.memoryUsage().arrayBuffers
}
