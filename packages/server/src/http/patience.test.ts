/** Clients that stall are cut; those that wait because nothing happens are not. */
import { once } from 'node:events'
import { connect, type Socket as Connection } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'

/** Short, so that nobody waits; in milliseconds. */
const STALL = 200
/** Longer than whoever stalls is there. */
const LONG = STALL * 6

let on: Serving
let id: string
beforeEach(async () => {
  on = await serve(undefined, { patience: { headersMs: STALL, stallMs: STALL, keepAliveMs: STALL } })
  id = await new Ask(on).capsule()
})
afterEach(() => on.end())

interface Client {
  socket: Connection
  heard: () => string
  /** Resolves with how many milliseconds it took. */
  closed: Promise<number>
  isClosed: () => boolean
}

async function client(text: string, key = on.key): Promise<Client> {
  const socket = connect(Number(new URL(on.url).port), '127.0.0.1')
  let heard = ''
  let isClosed = false
  const begun = performance.now()
  socket.on('error', () => {}).on('data', (data) => (heard += data.toString('latin1')))
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => {
      isClosed = true
      resolve(performance.now() - begun)
    })
  })
  await once(socket, 'connect')
  socket.write(text.replace('KEY', key))
  return { socket, heard: () => heard, closed, isClosed: () => isClosed }
}

const head = (line: string, more = '') => `${line} HTTP/1.1\r\nHost: x\r\nX-API-Key: KEY\r\n${more}\r\n`
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('is cut', () => {
  test('who says nothing', async () => {
    const { closed } = await client('')
    expect(await closed).toBeGreaterThan(STALL / 2)
  })

  test('whose head does not end, however often a piece of it comes', async () => {
    const { socket, closed, isClosed } = await client('GET /health HTTP/1.1\r\nHost: x\r\n')
    const dripping = setInterval(() => socket.write('X: y\r\n'), STALL / 4)
    await closed.finally(() => clearInterval(dripping))
    expect(isClosed()).toBe(true)
  })

  test('who has had an answer, and asks for nothing more', async () => {
    const { heard, closed } = await client(head('GET /health'))
    await closed
    expect(heard()).toMatch(/^HTTP\/1\.1 200 /)
  })

  test.each([
    ['JSON', () => head(`POST /v1/capsules/${id}/exec`, 'Content-Length: 100\r\n') + '{"cmd"'],
    ['bytes', () => head(`POST /v1/capsules/${id}/files/tar/write?path=/x`, 'Content-Length: 100\r\n') + 'x'],
    [
      'chunks',
      () => head(`POST /v1/capsules/${id}/files/tar/write?path=/x`, 'Transfer-Encoding: chunked\r\n') + '1\r\nx\r\n',
    ],
    [
      'a form',
      () =>
        head(
          `POST /v1/capsules/${id}/files/write`,
          'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n',
        ) + '--b\r\n',
    ],
  ])('whose body (%s) stops in its middle', async (_, text) => {
    await (
      await client(text())
    ).closed
  })

  test('whose body is not wanted, and does not end', async () => {
    const { heard, closed } = await client(head('POST /v1/capsules', 'Content-Length: 100\r\n') + '{', 'wrn_wrong')
    await closed
    expect(heard()).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('who does not read the answer', async () => {
    on.host.capsule(id).files.set('/large', Buffer.alloc(32 * 1024 * 1024))
    const body = '{"path":"/large"}'
    const { socket, closed } = await client(
      head(`POST /v1/capsules/${id}/files/read`, `Content-Length: ${body.length}\r\n`) + body,
    )
    socket.pause()
    // A peer that is not read from does not see the end either: it is the server that knows.
    await expect.poll(async () => connections()).toBe(0)
    socket.resume()
    await closed
  })
})

const connections = () =>
  new Promise<number>((resolve) =>
    (
      on.server as unknown as { app: { server: { getConnections(with_: (_: unknown, count: number) => void): void } } }
    ).app.server.getConnections((_, count) => resolve(count)),
  )

describe('is not cut', () => {
  test('whose body comes slowly, but comes', async () => {
    const body = JSON.stringify({ name: 'slow' })
    const { socket, heard } = await client(head('POST /v1/api-keys', `Content-Length: ${body.length}\r\n`))
    for (const character of body) {
      await later(STALL / 2)
      socket.write(character)
    }
    await expect.poll(heard).toMatch(/^HTTP\/1\.1 201 /)
  })

  test('who waits for a program that says nothing for long, by a plain request, a stream or events', async () => {
    let end = () => {}
    const gate = new Promise<void>((resolve) => (end = resolve))
    on.host.programs['silent'] = async function* () {
      await gate
      yield { type: 'stdout', data: Buffer.from('at last') }
      yield { type: 'exit', exitCode: 0, timedOut: false, durationMs: 1 }
    }
    const body = '{"cmd":"silent"}'
    const exec = (more: string) =>
      client(head(`POST /v1/capsules/${id}/exec`, `Content-Length: ${body.length}\r\n${more}`) + body)
    const waiting = [await exec(''), await exec('Accept: application/x-ndjson\r\n')]
    const events = await client(head('GET /v1/events/stream'))
    await later(LONG)
    expect([...waiting, events].map((one) => one.isClosed())).toEqual([false, false, false])
    end()
    for (const one of waiting) await expect.poll(one.heard).toContain('at last')
    events.socket.destroy()
  })

  test('who has a WebSocket or a tunnel open', async () => {
    const terminal = await new Socket(on, `/v1/capsules/${id}/pty`).open()
    on.host.ports[80] = Number(new URL(on.url).port)
    const upgrade = 'Connection: Upgrade\r\nUpgrade: wrenn-tunnel\r\n'
    const tunnel = await client(head(`GET /v1/capsules/${id}/ports/80/tunnel`, upgrade))
    await expect.poll(tunnel.heard).toMatch(/^HTTP\/1\.1 101 /)
    const idle = await client('')
    await idle.closed
    expect(terminal.ws.readyState).toBe(terminal.ws.OPEN)
    terminal.ws.terminate()
    tunnel.socket.destroy()
  })

  test('whose body the server itself is slow to take', async () => {
    let take = () => {}
    const gate = new Promise<void>((resolve) => (take = resolve))
    let isTaken = false
    on.host.capsule(id).guest.writeStdin = async (_, chunks) => {
      await gate
      for await (const chunk of chunks) isTaken ||= chunk.length > 0
    }
    const size = 8 * 1024 * 1024
    const { socket, heard, isClosed } = await client(
      head(`POST /v1/capsules/${id}/processes/some/stdin`, `Content-Length: ${size}\r\n`),
    )
    socket.write(Buffer.alloc(size))
    await later(LONG)
    expect(isClosed()).toBe(false)
    take()
    await expect.poll(heard).toMatch(/^HTTP\/1\.1 204 /)
    expect(isTaken).toBe(true)
  })
})
