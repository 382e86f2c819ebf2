/** Terminals over WebSockets, as old and new clients speak. */
import { ptyEventSchema } from '@wrenn/wire'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import type { MemoryGuest } from '../testing/memory-guest.js'
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
  on.host.programs['/bin/bash'] = async function* (_, __, session) {
    yield { type: 'stdout', data: Buffer.from('$ ') }
    for await (const typed of session.stdin()) {
      yield { type: 'stdout', data: typed }
      if (typed.toString() === 'exit\n') break
    }
    yield { type: 'exit', exitCode: 4, timedOut: false, durationMs: 1 }
  }
})
afterAll(() => on.end())
beforeEach(() => (sockets = []))
afterEach(() => sockets.forEach(({ ws }) => ws.terminate()))

async function dial(userAgent = 'node'): Promise<Socket> {
  const socket = new Socket(on, `/v1/capsules/${id}/pty`, { headers: { 'user-agent': userAgent } })
  sockets.push(socket)
  return socket.open()
}
async function start(more: object = {}, userAgent?: string) {
  const socket = await dial(userAgent)
  socket.say({ type: 'start', ...more })
  const started = ptyEventSchema.parse(await socket.next())
  if (started.type !== 'started') throw new Error(`it was not started: ${JSON.stringify(started)}`)
  return { socket, ...started }
}
async function again(tag: string, more: object = {}): Promise<Socket> {
  const socket = await dial()
  socket.say({ type: 'connect', tag, ...more })
  return socket
}
const base64 = (text: string) => Buffer.from(text).toString('base64')
const output = (text: string) => ({ type: 'output', data: base64(text) })
const input = (text: string) => ({ type: 'input', data: base64(text) })

describe('a session', () => {
  test('begins with bash and 80 by 24, unless something else is asked for', async () => {
    const { tag, pid, id: session, socket } = await start()
    expect([tag, pid, session]).toEqual([
      expect.stringMatching(/^pty-[0-9a-f]{8}$/),
      guest.latest.ref.pid,
      guest.latest.ref.id,
    ])
    expect(guest.spawned.at(-1)).toEqual({ cmd: '/bin/bash', args: [], tag, pty: { cols: 80, rows: 24 } })
    expect(await socket.next()).toEqual(output('$ '))
    const other = await start({
      cmd: 'top',
      args: ['x'],
      cols: 100,
      rows: 50,
      envs: { A: '1' },
      cwd: '/tmp',
      tag: 'mine',
    })
    expect(other.tag).toBe('mine')
    const given = { cmd: 'top', args: ['x'], envs: { A: '1' }, cwd: '/tmp', tag: 'mine', pty: { cols: 100, rows: 50 } }
    expect(guest.spawned.at(-1)).toEqual(given)
  })

  test('takes what is typed, another size and a kill, and tells its end', async () => {
    const { socket } = await start()
    await socket.next()
    socket.say(input('ls'))
    expect(await socket.next()).toEqual(output('ls'))
    socket.say({ type: 'resize', cols: 5, rows: 6 })
    await expect.poll(() => guest.latest.sizes).toEqual([{ cols: 5, rows: 6 }])
    socket.say(input('exit\n'))
    expect((await socket.rest()).at(-1)).toEqual({ type: 'exit', exit_code: 4 })
    expect(await socket.closed).toBe(1000)
    const killed = await start()
    killed.socket.say({ type: 'kill' })
    expect((await killed.socket.rest()).at(-1)).toEqual({ type: 'exit', exit_code: -1 })
  })

  test('outlives its sockets, and is told from the beginning when it is taken up; without "started"', async () => {
    const { socket, tag, id: session } = await start()
    await socket.next()
    socket.say(input('ls'))
    await socket.next()
    socket.ws.close()
    await socket.closed
    on.clock.advance(3600)
    const second = await again(tag)
    expect([await second.next(), await second.next()]).toEqual([output('$ '), output('ls')])
    const third = await again(session, { from: 3 })
    expect(await third.next()).toEqual(output('s'))
    second.say(input('x'))
    expect([await second.next(), await third.next()]).toEqual([output('x'), output('x')])
  })

  test('gets what was typed last, though the client leaves right after', async () => {
    const { socket, tag } = await start()
    for (const text of ['a', 'b', 'c']) socket.say(input(text))
    socket.ws.close()
    await socket.closed
    const second = await again(tag)
    let seen = ''
    while (!seen.includes('abc')) seen += Buffer.from((await second.next()).data, 'base64').toString()
    expect(seen).toBe('$ abc')
  })

  test('that is not there, or is no terminal, is a fatal error', async () => {
    await guest.spawn({ cmd: 'sleep', args: [], tag: 'plain' })
    for (const tag of ['nothing', 'plain']) {
      const socket = await again(tag)
      expect(await socket.rest()).toEqual([{ type: 'error', code: 'not_found', data: expect.any(String), fatal: true }])
    }
  })

  test('that cannot be begun is a fatal error, and so is another first message', async () => {
    const spawn = guest.spawn.bind(guest)
    guest.spawn = async () => Promise.reject(new Error('no room'))
    const failed = await dial()
    failed.say({ type: 'start' })
    expect(await failed.next()).toMatchObject({ type: 'error', code: 'internal_error', fatal: true })
    guest.spawn = spawn
    const wrong = await dial()
    wrong.say({ type: 'input', data: '' })
    expect(await wrong.next()).toMatchObject({ type: 'error', code: 'invalid_request', fatal: true })
    expect(await wrong.closed).toBe(1008)
  })

  test('goes on after a message that is wrong', async () => {
    const { socket } = await start()
    await socket.next()
    for (const message of [{ type: 'nothing' }, { type: 'input', data: '%' }, { type: 'resize', cols: 0, rows: 1 }]) {
      socket.say(message)
      expect(await socket.next()).toMatchObject({ type: 'error', code: 'invalid_request', fatal: false })
    }
    socket.say(input('x'))
    expect(await socket.next()).toEqual(output('x'))
  })

  test('sends "ping" every 30 s', async () => {
    const { socket } = await start()
    await socket.next()
    for (let n = 0; n < 3; n++) {
      await expect.poll(() => on.clock.waiting().filter((one) => one > 20 && one <= 30).length).toBeGreaterThan(0)
      on.clock.advance(30.5)
      expect(await socket.next()).toEqual({ type: 'ping' })
      // By then the ping of the WebSocket itself is answered too.
      socket.say(input('x'))
      expect(await socket.next()).toEqual(output('x'))
    }
  })
})

describe('output', () => {
  test('is binary for whoever sends binary messages or a pong', async () => {
    const { socket } = await start()
    await socket.next()
    socket.say(Buffer.from('ls'))
    expect(await socket.next()).toEqual(Buffer.from('ls'))
    const other = await start()
    await other.socket.next()
    other.socket.say({ type: 'pong' })
    other.socket.say(input('ls'))
    expect(await other.socket.next()).toEqual(Buffer.from('ls'))
  })

  const agent = 'python-httpx/0.28.1'
  test.each([
    ['pong', { type: 'pong' }, Buffer.from('$ ')],
    ['a binary message', Buffer.from('x'), Buffer.from('$ ')],
    ['input', input('x'), output('$ ')],
  ] as [string, Said, Said][])('waits for a client of httpx to show what it is: %s', async (_, message, first) => {
    const { socket } = await start({}, agent)
    expect(await socket.next()).toEqual({ type: 'ping' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(socket.waiting).toBe(0)
    socket.say(message)
    expect(await socket.next()).toEqual(first)
  })

  test('is base64 for one that says nothing for a second, and its program may have ended by then', async () => {
    const { socket } = await start({}, agent)
    expect(await socket.next()).toEqual({ type: 'ping' })
    const never = new AbortController().signal
    const typed = expect(guest.writeStdin(guest.latest.ref.id, once(Buffer.from('exit\n')), never)).rejects.toThrow()
    on.clock.advance(1.1)
    expect(await socket.rest()).toEqual([output('$ '), output('exit\n'), { type: 'exit', exit_code: 4 }])
    await typed
  })
})

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
