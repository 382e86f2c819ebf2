/** What becomes of programs, leases and connections when peers leave, in every state, and when the server ends. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ask } from '../testing/ask.js'
import type { MemoryGuest } from '../testing/memory-guest.js'
import { Gate } from '../testing/faults.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'

let on: Serving
let ask: Ask
let id: string
let guest: MemoryGuest
let sockets: Socket[]
beforeEach(async () => {
  on = await serve()
  ask = new Ask(on)
  id = await ask.capsule({ timeout_sec: 600 })
  guest = on.host.guest(id)
  sockets = []
  on.host.programs['program'] = async function* (_, signal) {
    yield { type: 'stdout', data: Buffer.from('ready') }
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    yield { type: 'exit', exitCode: -1, timedOut: false, durationMs: 1 }
  }
})
afterEach(async () => {
  sockets.forEach(({ ws }) => ws.terminate())
  await on.end()
})

async function at(path: string, key?: string): Promise<Socket> {
  const socket = new Socket(on, `/v1/capsules/${id}${path}`, key === undefined ? {} : { key })
  sockets.push(socket)
  return socket.open()
}
async function started(more: object = {}): Promise<Socket> {
  const socket = await at('/exec/stream')
  socket.say({ type: 'start', cmd: 'program', ...more })
  for (let n = 0; n < 2; n++) await socket.next()
  return socket
}
const runs = () => !guest.latest.hasEnded
/** Whether nothing holds the capsule awake: then it is paused when its time is over. */
const isLetGo = async () => {
  on.clock.advance(601)
  return (await ask.status(id)) === 'paused'
}
/** Until the server has noticed: the lease ends last. */
const letGo = () => expect.poll(isLetGo).toBe(true)

describe('a program', () => {
  test('is killed when its client closes the socket', async () => {
    const socket = await started()
    socket.ws.close()
    await expect.poll(runs).toBe(false)
    expect(await socket.closed).toBe(1005)
  })

  test('that is to be kept goes on, and can be taken up and stopped', async () => {
    const socket = await started({ on_disconnect: 'keep' })
    socket.ws.close()
    await socket.closed
    on.clock.advance(61)
    expect(runs()).toBe(true)
    const again = await at(`/processes/${guest.latest.ref.id}/stream`)
    for (let n = 0; n < 2; n++) await again.next()
    again.say({ type: 'stop' })
    expect(await again.next()).toEqual({ type: 'exit', exit_code: -1 })
  })

  test('whose client is lost waits a minute to be taken up again', async () => {
    const socket = await started()
    socket.ws.terminate()
    await expect.poll(() => on.clock.waiting()).toContain(60)
    on.clock.advance(50)
    const again = await at(`/processes/${guest.latest.ref.id}/stream`)
    await again.next()
    on.clock.advance(20)
    expect(runs()).toBe(true)
    again.ws.terminate()
    await expect.poll(() => on.clock.waiting()).toContain(60)
    expect(runs()).toBe(true)
    on.clock.advance(61)
    await expect.poll(runs).toBe(false)
  })

  test('whose client is lost while nothing is read from it is killed too', async () => {
    const socket = await started()
    for (let n = 0; n < 64; n++) socket.say({ type: 'stdin', data: 'x'.repeat(900_000) })
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(socket.ws.bufferedAmount).toBeGreaterThan(10 * 900_000)
    socket.ws.terminate()
    // That it is gone shows when it is asked for the second time.
    await expect
      .poll(
        () => {
          on.clock.advance(31)
          return runs()
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(false)
    await letGo()
  })

  test('is not killed by the end of the server, which closes all sockets', async () => {
    const socket = await started()
    const waiting = await at('/pty')
    await on.server.close()
    expect(await Promise.all([socket.closed, waiting.closed])).toEqual([1001, 1001])
    expect(runs()).toBe(true)
  })

  test('does not keep the server from ending though its client does not answer', async () => {
    const socket = await started()
    socket.ws.pause()
    const begun = performance.now()
    await on.server.close()
    expect(performance.now() - begun).toBeLessThan(10_000)
    expect(runs()).toBe(true)
  })
})

describe('an open socket keeps the capsule awake, and one that was left does not', () => {
  test.each(['close', 'terminate'] as const)('before its first message (%s)', async (how) => {
    const socket = await at('/exec/stream')
    socket.ws[how]()
    await letGo()
  })

  test.each(['close', 'terminate'] as const)('before its key (%s)', async (how) => {
    const socket = await at('/exec/stream', '')
    socket.ws[how]()
    await letGo()
  })

  test.each(['close', 'terminate'] as const)('while the program runs (%s)', async (how) => {
    const socket = await started()
    expect(await isLetGo()).toBe(false)
    socket.ws[how]()
    await letGo()
  })

  test('after the program has ended', async () => {
    const socket = await started()
    socket.say({ type: 'stop' })
    await socket.closed
    await letGo()
  })
})

describe('a request for an upgrade', () => {
  /** What is answered to these bytes, until the connection ends or says enough. */
  async function raw(text: string, enough: RegExp): Promise<string> {
    const socket = connect(Number(new URL(on.url).port), '127.0.0.1').on('error', () => {})
    socket.write(text)
    let answer = ''
    for await (const chunk of socket) if (enough.test((answer += String(chunk)))) break
    socket.destroy()
    return answer
  }
  const head = (method: string, path: string, more: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${on.key}\r\n${more}\r\n\r\n`

  test('to another protocol is served as if it had not been made, with its body', async () => {
    const more = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n'
    const body = '{"path":"/note"}'
    ask.note(id, 'noted')
    const request = head('POST', `/v1/capsules/${id}/files/read`, `${more}Content-Length: ${body.length}`) + body
    const answer = await raw(request, /noted/)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/)
    // The connection goes on.
    expect(await raw(request + head('GET', '/health', 'X: y'), /"ok"/)).toContain('noted')
  })

  test('that is no right handshake, and one without any, are refused', async () => {
    const path = `/v1/capsules/${id}/exec/stream`
    for (const more of ['X: y', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13']) {
      const answer = await raw(head('GET', path, more), /error/)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).toContain('WebSocket')
    }
    expect((await ask.api.send('POST', path)).headers.get('allow')).toBe('GET')
    expect((await fetch(on.url + path, { method: 'HEAD' })).status).toBe(405)
  })

  test('that is refused ends its connection', async () => {
    const socket = connect(Number(new URL(on.url).port), '127.0.0.1').on('error', () => {})
    const handshake =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
    socket.write(head('GET', '/v1/nothing', handshake))
    socket.resume()
    await once(socket, 'end')
    socket.destroy()
  })

  test('whose client leaves while it is looked at does no harm', async () => {
    const gate = new Gate()
    guest.attach = async () => {
      await gate.wait()
      throw new Error('it was left')
    }
    const socket = new Socket(on, `/v1/capsules/${id}/processes/x/stream`)
    await expect.poll(() => gate.arrived).toBe(1)
    socket.ws.terminate()
    gate.open()
    await letGo()
    expect((await ask.api.call('getHealth')).status).toBe(200)
  })
})
