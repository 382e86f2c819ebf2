import type { ExecChunk } from '@wrenn/wire'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { source, testGuest, type TestGuest } from '../testing/guest.js'

let signal: AbortSignal
let fixture: TestGuest
beforeEach(() => {
  signal = AbortSignal.timeout(10_000)
  fixture = testGuest()
})
afterEach(() => fixture.end())

/** The next chunks until they say so much, as text. */
async function says(output: AsyncIterable<ExecChunk>, text: string): Promise<string> {
  const chunks = output[Symbol.asyncIterator]()
  let said = ''
  while (!said.includes(text)) {
    const { value, done } = await chunks.next()
    if (done || value.type === 'exit') throw new Error(`it ended after ${JSON.stringify(said)}`)
    said += Buffer.from(value.data).toString()
  }
  return said
}

/** All of it, as text, and how it ended. */
async function all(output: AsyncIterable<ExecChunk>): Promise<{ text: string; exitCode: number | undefined }> {
  let text = ''
  let exitCode: number | undefined
  for await (const chunk of output) {
    if (chunk.type === 'exit') exitCode = chunk.exitCode
    else text += Buffer.from(chunk.data).toString()
  }
  return { text, exitCode }
}

const running = async () => (await fixture.guest.processes(signal)).length

test('a program has an id, a pid and a tag, and is found by each of them', async () => {
  const { guest } = fixture
  const started = await guest.spawn({ cmd: 'sleep', args: ['infinity'], tag: 'mine' }, signal)
  expect(started).toEqual({ id: expect.stringMatching(/^exec-[0-9a-f]{16}$/), pid: expect.any(Number), tag: 'mine' })
  for (const selector of [started.id, String(started.pid), 'mine']) {
    const leaving = new AbortController()
    expect(await guest.attach(selector, {}, leaving.signal)).toMatchObject({ ...started, offset: 0, dropped: false })
    leaving.abort()
  }
  await expect(guest.attach('nobody', {}, signal)).rejects.toMatchObject({ code: 'not_found' })
  await guest.kill(started.id, 'SIGTERM', signal)
  await expect.poll(running).toBe(0)
})

test('output is taken up at an offset, so many bytes before its end, or from the oldest', async () => {
  const { guest } = fixture
  const { id } = await guest.spawn({ cmd: 'echo', args: ['0123456789'] }, signal)
  await expect.poll(running).toBe(0)
  const from = async (start: { from?: number; tail?: number }) => {
    const { offset, dropped, output } = await guest.attach(id, start, signal)
    return { offset, dropped, ...(await all(output)) }
  }
  expect(await from({})).toEqual({ offset: 0, dropped: false, text: '0123456789\n', exitCode: 0 })
  expect(await from({ from: 7 })).toEqual({ offset: 7, dropped: false, text: '789\n', exitCode: 0 })
  expect(await from({ tail: 2 })).toEqual({ offset: 9, dropped: false, text: '9\n', exitCode: 0 })
  expect(await from({ from: 99 })).toMatchObject({ offset: 11, text: '' })
})

test('what nobody read in time is dropped, and that is told', async () => {
  const { guest } = fixture
  const { id } = await guest.spawn({ cmd: 'yes', args: [] }, signal)
  const attached = async () => {
    const leaving = new AbortController()
    const { offset, dropped } = await guest.attach(id, { from: 0 }, leaving.signal)
    leaving.abort()
    return dropped && offset > 0
  }
  await expect.poll(attached).toBe(true)
})

test('a kept program outlives its connection, and its output goes on where it was', async () => {
  const { guest, cut } = fixture
  const spec = { cmd: 'cat', args: [], stdin: true, onDisconnect: 'keep' as const }
  const { id, output } = await guest.exec(spec, signal)
  await guest.writeStdin(id, source('one '), signal)
  expect(await says(output, 'one ')).toBe('one ')
  cut()
  await guest.writeStdin(id, source('two'), signal)
  const again = await guest.attach(id, { from: 4 }, signal)
  await guest.endStdin(id, signal)
  expect(await all(again.output)).toEqual({ text: 'two', exitCode: 0 })
})

test('any other is killed with its connection, and its output says that it broke off', async () => {
  const { guest, cut } = fixture
  const { output } = await guest.exec({ cmd: 'cat', args: [], stdin: true }, signal)
  cut()
  await expect(all(output)).rejects.toMatchObject({ code: 'agent_error' })
  await expect.poll(running).toBe(0)
})

test('an abort is the reason that its reader is told', async () => {
  const leaving = new AbortController()
  const { output } = await fixture.guest.exec({ cmd: 'sleep', args: ['infinity'] }, leaving.signal)
  const read = all(output)
  leaving.abort(new Error('the client left'))
  await expect(read).rejects.toThrow('the client left')
  await expect.poll(running).toBe(0)
})

test('all readers see all of it, and one that leaves is not missed', async () => {
  const { guest } = fixture
  const { id } = await guest.spawn({ cmd: 'cat', args: [], stdin: true }, signal)
  const leaving = new AbortController()
  const attached = await Promise.all([signal, signal, leaving.signal].map((each) => guest.attach(id, {}, each)))
  leaving.abort()
  await guest.writeStdin(id, source('hello'), signal)
  await guest.endStdin(id, signal)
  for (const { output } of attached.slice(0, 2)) expect(await all(output)).toEqual({ text: 'hello', exitCode: 0 })
})

test('a reader that does not read stops the program, and another output goes on', async () => {
  const { guest, inside } = fixture
  const { output, id } = await guest.exec({ cmd: 'yes', args: [] }, signal)
  const { log } = inside.sessions.find(id)
  const end = () => log.state.begin + log.state.pieces.reduce((sum, { base64 }) => sum + base64.length, 0)
  const hasStopped = async () => {
    const before = end()
    // Every write of `yes` takes a turn of its own.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    return end() === before
  }
  await expect.poll(hasStopped).toBe(true)
  expect(await all((await guest.exec({ cmd: 'seq', args: ['3'] }, signal)).output)).toMatchObject({ text: '1\n2\n3\n' })
  const stopped = end()
  let read = 0
  for await (const chunk of output) if (chunk.type !== 'exit' && (read += chunk.data.length) > 2 * stopped) break
  await expect.poll(running).toBe(0)
})

test('what is written waits for the program, and its source with it', async () => {
  const { guest } = fixture
  const { id } = await guest.spawn({ cmd: 'sleep', args: ['infinity'], stdin: true }, signal)
  let given = 0
  const endless = async function* () {
    for (;;) {
      given += 65_536
      yield Buffer.alloc(65_536)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const leaving = new AbortController()
  const written = guest.writeStdin(id, endless(), leaving.signal)
  const stopped = async () => {
    const before = given
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    return given > 0 && given === before
  }
  await expect.poll(stopped).toBe(true)
  expect(given).toBeLessThan(4 * 1024 * 1024)
  leaving.abort(new Error('enough'))
  await expect(written).rejects.toThrow('enough')
})

test('many small pieces arrive whole and in order', async () => {
  const { guest } = fixture
  const { id, output } = await guest.exec({ cmd: 'cat', args: [], stdin: true }, signal)
  const text = Array.from({ length: 5000 }, (_, number) => String(number % 10)).join('')
  const read = all(output)
  await guest.writeStdin(id, source(...text), signal)
  await guest.endStdin(id, signal)
  expect((await read).text).toBe(text)
})

test('a closed stdin is a conflict, and without one a program reads an end', async () => {
  const { guest } = fixture
  const { output } = await guest.exec({ cmd: 'cat', args: [] }, signal)
  expect(await all(output)).toEqual({ text: '', exitCode: 0 })
  const { id } = await guest.spawn({ cmd: 'sleep', args: ['infinity'] }, signal)
  await expect(guest.writeStdin(id, source('x'), signal)).rejects.toMatchObject({ code: 'conflict' })
  await expect(guest.writeStdin('nobody', source(), signal)).rejects.toMatchObject({ code: 'not_found' })
  await expect(guest.resize(id, { cols: 1, rows: 1 }, signal)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('what the source of stdin throws is the news', async () => {
  const { guest } = fixture
  const { id } = await guest.spawn({ cmd: 'cat', args: [], stdin: true }, signal)
  const broken = async function* () {
    yield Buffer.from('a')
    throw new Error('the client broke off')
  }
  await expect(guest.writeStdin(id, broken(), signal)).rejects.toThrow('the client broke off')
})

test('a terminal echoes, has a size, is interrupted by Ctrl-C, and outlives its connection', async () => {
  const { guest, cut } = fixture
  const { id, tag, output } = await guest.exec({ cmd: 'bash', args: [], pty: { cols: 80, rows: 24 } }, signal)
  expect(tag).toMatch(/^pty-[0-9a-f]{8}$/)
  const type = (text: string) => guest.writeStdin(id, source(text), signal)
  await type('stty size\r')
  expect(await says(output, '24 80\r\n$ ')).toContain('stty size\r\n')
  await guest.resize(id, { cols: 100, rows: 30 }, signal)
  cut()
  const { output: again, offset } = await guest.attach(tag!, {}, signal)
  expect(offset).toBe(0)
  await type('stty size\r')
  await type('sleep infinity\r')
  await type('\x03')
  await type('exit 3\r')
  const { text, exitCode } = await all(again)
  expect(text).toMatch(/30 100\r\n\$ sleep infinity\r\n\^C\r\n\$ exit 3\r\n$/)
  expect(exitCode).toBe(3)
})

test.each([
  ['SIGINT', 'sleep'],
  ['SIGHUP', 'sleep'],
  ['SIGQUIT', 'sleep'],
] as const)('%s reaches a program', async (how, cmd) => {
  const { id, output } = await fixture.guest.exec({ cmd, args: ['infinity'] }, signal)
  await fixture.guest.kill(id, how, signal)
  expect(await all(output)).toEqual({ text: '', exitCode: -1 })
})

test('past its time a program is killed', async () => {
  const { output } = await fixture.guest.exec({ cmd: 'sleep', args: ['infinity'], timeoutMs: 10 }, signal)
  const chunks: ExecChunk[] = []
  for await (const chunk of output) chunks.push(chunk)
  expect(chunks).toMatchObject([{ type: 'exit', exitCode: -1, timedOut: true }])
})

test('an aborted signal asks nothing', async () => {
  const gone = new AbortController()
  gone.abort(new Error('gone'))
  await expect(fixture.guest.processes(gone.signal)).rejects.toThrow('gone')
})
