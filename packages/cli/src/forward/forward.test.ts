import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PassThrough } from 'node:stream'
import { capsuleBody } from '../testing/bodies.js'
import { run } from '../program.js'

const accept = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: wrenn-tunnel\r\n\r\n'
let server: Server
let tunnelled: (socket: Duplex) => void
const asked: { url: string; key: unknown; upgrade: unknown }[] = []
const open = new Set<Duplex>()

beforeEach(async () => {
  asked.length = 0
  server = createServer({}, (_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(capsuleBody()))
  })
  server.on('connection', (socket: Socket) => (socket.allowHalfOpen = true))
  server.on('upgrade', (request, socket) => {
    open.add(socket)
    socket.on('error', () => {})
    asked.push({ url: request.url!, key: request.headers['x-api-key'], upgrade: request.headers.upgrade })
    tunnelled(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const socket of open) socket.destroy()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

/** All that comes until the other side ends; the consumers of Node would destroy the socket then. */
function heard(socket: Duplex): Promise<string> {
  let text = ''
  socket.on('data', (data: Buffer) => (text += data.toString()))
  return new Promise((resolve) => socket.once('end', () => resolve(text)).once('close', () => resolve(text)))
}

/** Whether with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())))
}

/** Runs the command; gives the local port. */
async function forwarding(argv: string[] = ['0:5432']) {
  const stop = new AbortController()
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const env = {
    WRENN_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    WRENN_API_KEY: 'wrn_key',
  }
  const code = run(['port-forward', 'cl-1', ...argv], { env, stdin, stdout, stderr, signal: stop.signal })
  const [line] = (await once(stdout, 'data')) as [Buffer]
  const port = Number(/^127\.0\.0\.1:(\d+) is port 5432 of cl-1\n$/.exec(line.toString())![1])
  return {
    port,
    stderr,
    end: () => {
      stop.abort()
      return code
    },
  }
}

test('bytes go both ways, and the end of one direction is not the end of the other', async () => {
  tunnelled = (socket) => {
    // What comes together with the head of the answer is not lost.
    socket.write(`${accept}hello `)
    void heard(socket).then((asked) => socket.end(`you said ${asked.length}`))
  }
  const { port, end } = await forwarding()
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  near.end('x'.repeat(2_000_000))
  expect(await heard(near)).toBe('hello you said 2000000')
  expect(asked).toEqual([{ url: '/v1/capsules/cl-1/ports/5432/tunnel', key: 'wrn_key', upgrade: 'wrenn-tunnel' }])
  expect(await end()).toBe(0)
})

test('the other side may end first', async () => {
  const said = new Promise<string>((resolve) => {
    tunnelled = (socket) => {
      socket.write(accept)
      socket.end('bye')
      void heard(socket).then(resolve)
    }
  })
  const { port, end } = await forwarding()
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  expect(await heard(near)).toBe('bye')
  near.end('and you')
  expect(await said).toBe('and you')
  await end()
})

test('whoever reads slowly holds the other side up', async () => {
  let sent = 0
  const stalled = new Promise<void>((resolve) => {
    tunnelled = (socket) => {
      socket.write(accept)
      const chunk = Buffer.alloc(64 * 1024)
      const fill = () => {
        while (sent < 512 * 2 ** 20) {
          sent += chunk.length
          if (!socket.write(chunk)) {
            resolve()
            return void socket.once('drain', fill)
          }
        }
        socket.end()
      }
      fill()
    }
  })
  const { port, end } = await forwarding()
  const near = connect(port, '127.0.0.1')
  await stalled
  near.pause()
  // What is under way settles while new connections are served.
  for (let before = -1; before !== sent;) {
    before = sent
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(sent).toBeLessThan(64 * 2 ** 20)
  near.destroy()
  await end()
})

test('a refusal is told, ends that connection and no other', async () => {
  const body = JSON.stringify({ error: { code: 'agent_error', message: 'Nothing listens on port 5432.' } })
  tunnelled = (socket) =>
    socket.end(
      `HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
  const { port, stderr, end } = await forwarding()
  const near = connect(port, '127.0.0.1')
  near.on('error', () => {})
  expect((await once(stderr, 'data')).toString()).toBe(
    'error: port 5432: Nothing listens on port 5432. (agent_error)\n',
  )
  await closed(near)
  tunnelled = (socket) => socket.end(`${accept}again`)
  expect(await heard(connect(port, '127.0.0.1'))).toBe('again')
  await end()
})

test('a connection that breaks inside breaks here', async () => {
  let inside: Duplex
  tunnelled = (socket) => {
    socket.write(`${accept}hello`)
    inside = socket
  }
  const { port, end } = await forwarding()
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  near.on('error', () => {})
  await once(near, 'data')
  // What nobody has read makes it a break and not an end; the near side is closed though it would write on.
  near.write(Buffer.alloc(8_000_000), () => {})
  inside!.destroy()
  await closed(near.resume())
  await end()
})

test('a connection that breaks here breaks inside', async () => {
  const broken = new Promise<void>((resolve) => {
    tunnelled = (socket) => {
      socket.write(`${accept}hello`)
      socket.on('close', resolve).resume()
    }
  })
  const { port, end } = await forwarding()
  const other = connect(port, '127.0.0.1')
  other.on('error', () => {})
  await once(other, 'data')
  other.resetAndDestroy()
  await broken
  await end()
})

test('the end of the command ends what is under way', async () => {
  let arrived = () => {}
  const isThere = new Promise<void>((resolve) => (arrived = resolve))
  tunnelled = (socket) => {
    socket.write(accept)
    arrived()
  }
  const { port, end } = await forwarding()
  const near = connect(port, '127.0.0.1')
  near.on('error', () => {})
  await isThere
  expect(await end()).toBe(0)
  await heard(near)
  const refused = connect(port, '127.0.0.1')
  await expect(once(refused, 'connect')).rejects.toThrow('ECONNREFUSED')
})

test('a port that is taken is an error', async () => {
  const { port } = server.address() as AddressInfo
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const env = { WRENN_BASE_URL: `http://127.0.0.1:${port}`, WRENN_API_KEY: 'wrn_key' }
  const { signal } = new AbortController()
  expect(await run(['port-forward', 'cl-1', `${port}:80`], { env, stdin, stdout, stderr, signal })).toBe(1)
  expect(String(stderr.read())).toContain('EADDRINUSE')
  for (const wrong of ['a', '1:2:3', '70000', '5:0'])
    expect(await run(['port-forward', 'cl-1', wrong], { env, stdin, stdout, stderr, signal })).toBe(2)
})
