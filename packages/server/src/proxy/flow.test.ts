/** How what passes through the proxy begins, waits and ends. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Gate } from '../testing/faults.js'
import { PORT, Proxied } from '../testing/proxied.js'

let at: Proxied
beforeEach(async () => {
  at = await Proxied.open({ create: { timeout_sec: 60 } })
})
afterEach(() => at.end())

describe('large bodies', () => {
  const size = 64 * 1024 * 1024
  const piece = Buffer.alloc(8_192)

  test('pass whole, both ways at once', async () => {
    await at.http((asked, answer) => void asked.pipe(answer))
    const sent = Buffer.alloc(size, 'wrenn')
    const post = request(at.options({ method: 'POST', headers: { 'content-length': size } }))
    post.end(sent)
    const [reply] = (await once(post, 'response')) as [IncomingMessage]
    expect((await buffer(reply)).equals(sent)).toBe(true)
  })

  test('wait for a slow reader, wherever it is', async () => {
    let sent = 0
    await at.http((asked, answer) => {
      if (asked.method === 'POST') return
      const more = () => {
        while (sent < size && answer.write(piece)) sent += piece.length
      }
      answer.on('drain', more)
      more()
    })
    const get = request(at.options())
    get.end()
    const [reply] = (await once(get, 'response')) as [IncomingMessage]
    reply.pause()
    let before = -1
    await expect.poll(() => before === (before = sent) && sent > 0, { interval: 100, timeout: 10_000 }).toBe(true)
    // What the kernel's buffers take, of three connections.
    expect(sent).toBeLessThan(size)
    get.destroy()

    const post = request(at.options({ method: 'POST', headers: { 'content-length': size } }))
    post.on('error', () => {})
    let written = 0
    const push = () => {
      while (written < size && post.write(piece)) written += piece.length
    }
    post.on('drain', push)
    push()
    before = -1
    await expect.poll(() => before === (before = written) && written > 0, { interval: 100, timeout: 10_000 }).toBe(true)
    expect(written).toBeLessThan(size)
    post.destroy()
  })
})

describe('connections to the guest', () => {
  test('are kept for a while, for what can be asked again', async () => {
    const ports: number[] = []
    await at.http((asked, answer) => {
      ports.push(asked.socket.remotePort!)
      answer.end('x')
    })
    await at.get('/')
    await at.get('/')
    await at.get('/', { method: 'POST' })
    expect(new Set(ports).size).toBe(2)
    expect(ports[0]).toBe(ports[1])
    await expect.poll(() => at.tunnels, { timeout: 4_000 }).toBe(0)
  })

  test('that end just when they are used again are replaced, and nobody notices', async () => {
    let connections = 0
    await at.tcp((socket) => {
      const isFirst = ++connections === 1
      let asked = 0
      socket.on('data', () => {
        if (++asked === 2 && isFirst) return void socket.resetAndDestroy()
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx')
      })
    })
    expect((await at.get('/')).body).toBe('x')
    expect((await at.get('/')).body).toBe('x')
    expect(connections).toBe(2)
  })

  test('on which something came that nobody asked for are not used again', async () => {
    let connections = 0
    await at.tcp((socket) => {
      const own = ++connections
      socket.on('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${own}`)
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'), 10)
      })
    })
    expect((await at.get('/')).body).toBe('1')
    await expect.poll(() => at.tunnels).toBe(0)
    expect((await at.get('/')).body).toBe('2')
  })

  test('end when an answer is whole, though the guest keeps its end open', async () => {
    await at.tcp((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx'))
    })
    expect((await at.get('/')).body).toBe('x')
    await expect.poll(() => at.tunnels).toBe(0)
  })
})

describe('a client that hangs up', () => {
  test.each(['before', 'after'])('%s the answer has begun leaves nothing behind', async (when) => {
    let open = 0
    await at.http((asked, answer) => {
      open++
      asked.socket.on('close', () => open--)
      if (when === 'after') answer.write('x')
    })
    const get = request(at.options())
    get.on('error', () => {})
    get.end()
    if (when === 'after') await once(get, 'response')
    await expect.poll(() => open).toBe(1)
    at.on.clock.advance(1000)
    get.destroy()
    await expect.poll(() => open).toBe(0)
    await expect.poll(() => at.tunnels).toBe(0)
    at.on.clock.advance(61)
    await expect.poll(() => at.ask.status(at.id)).toBe('paused')
  })

  test('in the middle of a body is seen as that by the guest', async () => {
    let isWhole: boolean | undefined
    await at.http((asked) => {
      asked.resume().on('error', () => {})
      asked.on('close', () => (isWhole = asked.complete))
    })
    const post = request(at.options({ method: 'POST', headers: { 'content-length': 100 } }))
    post.on('error', () => {})
    post.write('part')
    await expect.poll(() => at.tunnels).toBe(1)
    post.destroy()
    await expect.poll(() => isWhole).toBe(false)
  })
})

describe('a guest that breaks off', () => {
  test('in the middle of an answer is seen as that by the client', async () => {
    await at.tcp((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'))
    })
    await expect(at.get('/')).rejects.toThrow('aborted')
    await expect.poll(() => at.tunnels).toBe(0)
  })

  test.each([
    ['nothing at all', ''],
    ['garbage', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['half a head', 'HTTP/1.1 200 OK\r\nX: '],
    ['a status that is none', 'HTTP/1.1 007 Bond\r\nContent-Length: 0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['another protocol that nobody asked for', 'HTTP/1.1 101 No\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
    ['interim answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000)],
    ['a header that could split the answer', 'HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n'],
  ])('with %s is a bad gateway', async (_, bytes) => {
    await at.tcp((socket) => socket.once('data', () => socket.end(bytes)))
    const got = await at.get('/')
    expect(got.status).toBe(502)
    expect(got.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(got.body).toContain(String(PORT))
    await expect.poll(() => at.tunnels).toBe(0)
  })
})

test('requests that are sent ahead are answered in turn, one at a time', async () => {
  let [most, now] = [0, 0]
  await at.http((asked, answer) => {
    most = Math.max(most, ++now)
    setImmediate(() => {
      now--
      answer.end(asked.url)
    })
  })
  const count = 200
  const asks = Array.from(
    { length: count },
    (_, i) => `GET /<${i}> HTTP/1.1\r\nHost: ${at.host}\r\n${i === count - 1 ? 'Connection: close\r\n' : ''}\r\n`,
  )
  const answer = await at.say(asks.join(''))
  expect([...answer.matchAll(/<(\d+)>/g)].map(([, i]) => Number(i))).toEqual(Array.from({ length: count }, (_, i) => i))
  expect(most).toBe(1)
})

test('an open request keeps its capsule running, however long, and one that is refused is no activity', async () => {
  const gate = new Gate()
  await at.http((_, answer) => void gate.wait().then(() => answer.end('x')))
  const got = at.get('/')
  await expect.poll(() => gate.arrived).toBe(1)
  at.on.clock.advance(100_000)
  expect(await at.ask.status(at.id)).toBe('running')
  gate.open()
  expect((await got).status).toBe(200)
  at.on.clock.advance(59)
  expect(await at.ask.status(at.id)).toBe('running')
  at.on.clock.advance(2)
  await expect.poll(() => at.ask.status(at.id)).toBe('paused')
})

test('the server closes though requests are open, and the guest sees their end', async () => {
  let open = 0
  await at.http((asked) => {
    open++
    asked.socket.on('close', () => open--)
  })
  const got = at.get('/')
  got.catch(() => {})
  await expect.poll(() => open).toBe(1)
  await at.on.server.close()
  await expect(got).rejects.toThrow()
  await expect.poll(() => open).toBe(0)
})
