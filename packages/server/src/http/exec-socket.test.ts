/** Programs over WebSockets, and peers that do what they should not. */
import { newId, streamEventSchema } from '@wrenn/wire'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import type { MemoryGuest, Program } from '../testing/memory-guest.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket, type Said } from '../testing/socket.js'

let on: Serving
let id: string
let guest: MemoryGuest
let sockets: Socket[]
beforeAll(async () => {
  on = await serve()
  id = await new Ask(on).capsule()
  guest = on.host.guest(id)
})
afterAll(() => on.end())
beforeEach(() => (sockets = []))
afterEach(() => sockets.forEach(({ ws }) => ws.terminate()))

const out = (data: string | number[] | Buffer, type: 'stdout' | 'stderr' = 'stdout') => ({
  type,
  data: Buffer.from(data as string),
})
const exit = (exitCode = 0, timedOut = false) => ({ type: 'exit', exitCode, timedOut, durationMs: 5 }) as const
const program = (body: Program) => void (on.host.programs['program'] = body)
/** Says what it is told. */
const echo: Program = async function* (_, __, session) {
  yield out('ready')
  for await (const typed of session.stdin()) yield out(typed)
  yield exit(7)
}

const at = (path: string, dial = {}) => {
  const socket = new Socket(on, `/v1/capsules/${id}${path}`, dial)
  sockets.push(socket)
  return socket
}
async function start(more: object = {}, dial = {}): Promise<Socket> {
  const socket = await at('/exec/stream', dial).open()
  socket.say({ type: 'start', cmd: 'program', ...more })
  return socket
}
const attach = (selector: string | number, query = '') => at(`/processes/${selector}/stream${query}`).open()
/** All messages but the first one, checked; then the text of both streams together. */
const text = (messages: Said[]) =>
  messages
    .map((one) => streamEventSchema.parse(one))
    .flatMap((one) => ('data' in one ? [one.data] : []))
    .join('')

describe('a program', () => {
  test('is started as asked, and its output and its end come as messages, and then a close frame', async () => {
    program(async function* () {
      yield out('a')
      yield out('b', 'stderr')
      yield exit(3)
    })
    const socket = await start({ args: ['x'], envs: { A: '1' }, cwd: '/tmp', tag: 'mine' })
    const { id: session, pid, ...first } = await socket.next()
    expect(first).toEqual({ type: 'start', tag: 'mine', offset: 0 })
    expect([session, pid]).toEqual([guest.latest.ref.id, guest.latest.ref.pid])
    expect(await socket.rest()).toEqual([
      { type: 'stdout', data: 'a', offset: 1 },
      { type: 'stderr', data: 'b', offset: 2 },
      { type: 'exit', exit_code: 3 },
    ])
    expect(await socket.closed).toBe(1000)
    const given = { cmd: 'program', args: ['x'], envs: { A: '1' }, cwd: '/tmp', tag: 'mine' }
    expect(guest.latest.spec).toEqual({ ...given, stdin: true, onDisconnect: 'keep', timeoutMs: undefined })
  })

  test('reads what is typed, as text or base64, to its end', async () => {
    program(echo)
    const socket = await start()
    socket.say({ type: 'stdin', data: 'é' })
    socket.say({ type: 'stdin', data: Buffer.from('漢').toString('base64'), encoding: 'base64' })
    socket.say({ type: 'stdin_end' })
    const messages = await socket.rest()
    expect(text(messages)).toBe('readyé漢')
    expect(messages.at(-1)).toEqual({ type: 'exit', exit_code: 7 })
  })

  test('whose stdin is closed says so, and goes on', async () => {
    program(echo)
    const socket = await start()
    await socket.next()
    socket.say({ type: 'stdin_end' })
    socket.say({ type: 'stdin', data: 'x' })
    const messages = await socket.rest()
    expect(messages).toContainEqual({ type: 'error', code: 'conflict', data: expect.stringContaining('closed') })
    expect(messages.at(-1)).toEqual({ type: 'exit', exit_code: 7 })
  })

  test('is stopped, and its end comes', async () => {
    program(echo)
    const socket = await start()
    await socket.next()
    socket.say({ type: 'stop' })
    expect((await socket.rest()).at(-1)).toEqual({ type: 'exit', exit_code: -1 })
    expect(await socket.closed).toBe(1000)
  })

  test('that cannot be started, runs out of time or is lost is told as an error, and then a close frame', async () => {
    const missing = await start({ cmd: 'nothing' })
    expect(await missing.rest()).toEqual([
      { type: 'error', code: 'not_found', data: expect.stringContaining('nothing') },
    ])
    expect(await missing.closed).toBe(1000)
    program(async function* () {
      yield exit(-1, true)
    })
    const late = await start({ timeout_sec: 3 })
    expect((await late.rest()).at(-1)).toMatchObject({
      type: 'error',
      code: 'agent_error',
      data: expect.stringMatching(/3 s/),
    })
    program(async function* () {
      yield out('x')
      throw new Error('/run/secret.sock')
    })
    const failed = await start()
    const messages = await failed.rest()
    expect(messages.at(-1)).toMatchObject({ type: 'error', code: 'internal_error' })
    expect(JSON.stringify(messages)).not.toContain('secret')
    expect(on.log.join()).toContain('secret.sock')
  })

  test('has its characters whole wherever they are cut, and other bytes become U+FFFD', async () => {
    const bytes = Buffer.from('aé漢😀z')
    for (let cut = 1; cut < bytes.length; cut++) {
      program(async function* () {
        yield out(bytes.subarray(0, cut))
        yield out('|', 'stderr')
        yield out(bytes.subarray(cut))
        yield exit()
      })
      const messages = await (await start()).rest()
      const of = (type: string) =>
        messages
          .filter((one) => one.type === type)
          .map((one) => one.data)
          .join('')
      expect([of('stdout'), of('stderr')]).toEqual(['aé漢😀z', '|'])
    }
    program(async function* () {
      yield out([0x61, 0xff, 0x62])
      yield out([0xe6, 0xbc])
      yield exit()
    })
    expect(text(await (await start()).rest())).toBe('a\u{fffd}b\u{fffd}')
  })
})

describe('taking it up again', () => {
  test('replays from an offset, from the end or from the beginning, and goes on live', async () => {
    program(async function* (_, __, session) {
      yield out('abc')
      yield out('def', 'stderr')
      for await (const typed of session.stdin()) yield out(typed)
      yield exit()
    })
    const first = await start()
    for (let n = 0; n < 3; n++) await first.next()
    const { id: session, pid } = guest.latest.ref
    const begins = async (query: string, selector: string | number = session) => {
      const socket = await attach(selector, query)
      const { offset, dropped } = await socket.next()
      return [offset, dropped, (await socket.next()).data]
    }
    expect(await begins('?from=2')).toEqual([2, undefined, 'c'])
    expect(await begins('?tail=2', pid)).toEqual([4, undefined, 'ef'])
    expect(await begins('')).toEqual([0, undefined, 'abc'])
    const live = await attach(session, '?from=6')
    await live.next()
    live.say({ type: 'stdin', data: 'more' })
    expect(await live.next()).toEqual({ type: 'stdout', data: 'more', offset: 10 })
    expect(await first.next()).toEqual({ type: 'stdout', data: 'more', offset: 10 })
    live.say({ type: 'stop' })
    expect((await first.rest()).at(-1)).toEqual({ type: 'exit', exit_code: -1 })
  })

  test('tells when what was asked for is lost', async () => {
    program(async function* (_, signal) {
      for (let n = 0; n < 40; n++) yield out(Buffer.alloc(65_536, 'x'))
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      yield exit()
    })
    const first = await start()
    await expect.poll(() => first.waiting).toBeGreaterThan(40)
    const { offset, dropped } = await (await attach(guest.latest.ref.id, '?from=5')).next()
    expect([offset > 5, dropped]).toEqual([true, true])
  })

  test('of what is not there is refused before it is a WebSocket', async () => {
    const { status, body } = await at('/processes/nothing/stream').refused()
    expect([status, body.error.code]).toEqual([404, 'not_found'])
    expect((await at('/processes/x/stream?from=x').refused()).status).toBe(400)
  })
})

describe('a key', () => {
  test('that is wrong, and a capsule that is unknown, are refused in the form of all errors', async () => {
    const wrong = await at('/exec/stream', { key: 'wrn_x' }).refused()
    expect([wrong.status, wrong.body.error.code]).toEqual([401, 'unauthorized'])
    expect(wrong.body.error.request_id).toBe(wrong.headers['x-request-id'])
    const socket = new Socket(on, `/api/v1/capsules/${newId('capsule')}/exec/stream`)
    expect((await socket.refused()).status).toBe(404)
    expect((await new Socket(on, '/v1/capsules/x/exec/stream').refused()).status).toBe(400)
    expect((await new Socket(on, '/v1/nothing').refused()).status).toBe(404)
  })

  test('may come with the first message', async () => {
    program(echo)
    const socket = await at('/exec/stream', { key: '' }).open()
    socket.say({ type: 'auth', token: on.key })
    socket.say({ type: 'start', cmd: 'program' })
    expect(await socket.next()).toMatchObject({ type: 'start' })
    const taken = await at(`/processes/${guest.latest.ref.id}/stream`, { key: '' }).open()
    taken.say({ type: 'auth', token: on.key })
    expect(await taken.next()).toMatchObject({ type: 'start' })
  })

  test.each([
    ['a wrong key', { type: 'auth', token: 'wrn_x' }, 'unauthorized', 1008],
    ['no key', { type: 'start', cmd: 'program' }, 'invalid_request', 1008],
    ['a binary message', Buffer.from('x'), 'invalid_request', 1003],
  ])('that should come there: %s ends it', async (_, message, code, closeCode) => {
    const socket = await at('/exec/stream', { key: '' }).open()
    socket.say(message)
    expect(await socket.next()).toMatchObject({ type: 'error', code })
    expect(await socket.closed).toBe(closeCode)
  })

  test('that does not come within 5 s ends it; and so does a capsule that is not there', async () => {
    const late = await at('/exec/stream', { key: '' }).open()
    await expect.poll(() => on.clock.waiting()).toContain(5)
    on.clock.advance(6)
    expect(await late.next()).toMatchObject({ type: 'error', code: 'unauthorized' })
    expect(await late.closed).toBe(1008)
    const unknown = await new Socket(on, `/v1/capsules/${newId('capsule')}/exec/stream`, { key: '' }).open()
    unknown.say({ type: 'auth', token: on.key })
    expect(await unknown.next()).toMatchObject({ type: 'error', code: 'not_found' })
    expect(await unknown.closed).toBe(1008)
  })
})

describe('a peer that', () => {
  test.each([
    ['no JSON', 'x', 1008],
    ['another message', '{"type":"stdin","data":""}', 1008],
    ['a binary message', Buffer.from('x'), 1003],
  ])('begins with %s is told and closed', async (_, message, closeCode) => {
    const socket = await at('/exec/stream').open()
    socket.ws.send(message)
    expect(await socket.next()).toMatchObject({ type: 'error', code: 'invalid_request' })
    expect(await socket.closed).toBe(closeCode)
  })

  test('never says what it wants is closed', async () => {
    const socket = await at('/exec/stream').open()
    await expect.poll(() => on.clock.waiting().filter((one) => one === 30).length).toBeGreaterThan(1)
    on.clock.advance(31)
    expect(await socket.next()).toMatchObject({ type: 'error', code: 'invalid_request' })
    expect(await socket.closed).toBe(1008)
  })

  test('says something wrong later is told, and the program goes on', async () => {
    program(echo)
    const socket = await start()
    for (let n = 0; n < 2; n++) await socket.next()
    for (const message of ['x', '{"type":"nothing"}', Buffer.from('x')]) {
      socket.ws.send(message)
      expect(await socket.next()).toMatchObject({ type: 'error', code: 'invalid_request' })
    }
    socket.say({ type: 'stdin', data: 'x' })
    expect(await socket.next()).toMatchObject({ type: 'stdout', data: 'x' })
  })

  test('sends a message of more than 1 MiB is closed', async () => {
    program(echo)
    const socket = await start()
    socket.say({ type: 'stdin', data: 'x'.repeat(1024 * 1024) })
    expect(await socket.closed).toBe(1009)
  })

  test('sends ten thousand small messages has them put together', async () => {
    program(echo)
    const socket = await start()
    for (let n = 0; n < 10_000; n++) socket.say({ type: 'stdin', data: 'x' })
    socket.say({ type: 'stdin_end' })
    expect(text(await socket.rest())).toBe(`ready${'x'.repeat(10_000)}`)
    expect(guest.latest.writes).toBeLessThan(5_000)
  })

  test('sends without end to a program that reads nothing is held back', async () => {
    program(async function* (_, signal) {
      yield out('ready')
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      yield exit()
    })
    const socket = await start()
    for (let n = 0; n < 2; n++) await socket.next()
    const sent = 64
    for (let n = 0; n < sent; n++) socket.say({ type: 'stdin', data: 'x'.repeat(900_000) })
    // What the server does not take stays with the client.
    await expect.poll(() => socket.ws.bufferedAmount, { timeout: 10_000 }).toBeLessThan(sent * 900_000)
    const left = await steady(() => socket.ws.bufferedAmount)
    expect(left).toBeGreaterThan(20 * 900_000)
  })

  test('never reads stops a program that prints a gigabyte', async () => {
    let printed = 0
    program(async function* () {
      for (; printed < 1024 ** 3; printed += 65_536) yield out(Buffer.alloc(65_536, 'x'))
      yield exit()
    })
    const socket = await start()
    await socket.next()
    socket.ws.pause()
    expect(await steady(() => printed)).toBeLessThan(64 * 1024 * 1024)
    socket.ws.resume()
    const before = printed
    await expect.poll(() => printed).toBeGreaterThan(before)
  })

  test('is asked whether it is there, and cut off when it does not answer', async () => {
    program(echo)
    const silent = await start({}, { isMute: true })
    const lively = await start()
    let pings = 0
    lively.ws.on('ping', () => pings++)
    for (const one of [silent, lively]) for (let n = 0; n < 2; n++) await one.next()
    on.clock.advance(31)
    await expect.poll(() => pings).toBe(1)
    // The library has answered by then: messages are in order.
    lively.say({ type: 'stdin', data: 'x' })
    await lively.next()
    on.clock.advance(31)
    expect(await silent.closed).toBe(1006)
    await expect.poll(() => pings).toBe(2)
    expect(lively.ws.readyState).toBe(lively.ws.OPEN)
  })
})

/** The value of something that grows, when it has stopped. */
async function steady(read: () => number): Promise<number> {
  let before = -1
  while (before !== read()) {
    before = read()
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return before
}
