/** Requests to ports of capsules, and their answers. */
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { buffer, text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Gate } from '../testing/faults.js'
import { PORT, Proxied } from '../testing/proxied.js'

let at: Proxied
beforeEach(async () => {
  at = await Proxied.open({ create: { timeout_sec: 60 } })
})
afterEach(() => at.end())

/** Answers with what was asked. */
async function echo(): Promise<void> {
  await at.http((asked, answer) => {
    void buffer(asked).then((body) => {
      const { method, url, rawHeaders } = asked
      answer.end(JSON.stringify({ method, url, raw: rawHeaders, body: body.toString('latin1') }))
    })
  })
}

interface Asked {
  method: string
  url: string
  raw: string[]
  body: string
}
const asked = (body: string) => JSON.parse(Buffer.from(body, 'latin1').toString()) as Asked
const valuesOf = (raw: string[], name: string) =>
  raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name.toLowerCase())

describe('what is asked', () => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'keeps its method %s and body',
    async (method) => {
      await echo()
      const body = ['POST', 'PUT', 'PATCH', 'PROPFIND', 'DELETE'].includes(method) ? 'some\xffbytes' : ''
      const headers = body ? { 'content-length': body.length } : {}
      const got = await at.get('/x', { method, headers }, Buffer.from(body, 'latin1'))
      expect(got.status).toBe(200)
      expect(asked(got.body)).toMatchObject({ method, url: '/x', body })
    },
  )

  test.each([
    '//a//b/../c/./d',
    '/%2e%2E/%zz/%',
    '/?',
    '/x?a=1&&b==?&wrenn_token=theirs',
    '/%C3%A9%ff',
    '/a|b{}^`"<>',
    '/v1/capsules',
    '/;x=%00',
    `/${'long'.repeat(2000)}`,
  ])('keeps the target %j byte for byte', async (path) => {
    await echo()
    const answer = await at.say(`GET ${path} HTTP/1.1\r\nHost: ${at.host}\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(answer).toContain(`"url":${Buffer.from(JSON.stringify(path)).toString('latin1')},`)
  })

  test.each([
    [(host: string) => `GET http://${host}/a?b HTTP/1.1\r\nHost: ${host}`, '/a?b'],
    [(host: string) => `GET http://${host} HTTP/1.1\r\nHost: elsewhere`, '/'],
    [(host: string) => `GET HTTP://me@${host}?q HTTP/1.1\r\nHost: elsewhere`, '/?q'],
    [(host: string) => `OPTIONS * HTTP/1.1\r\nHost: ${host}`, '*'],
  ])('may name the host in the target (%#)', async (head, url) => {
    await echo()
    const answer = await at.say(`${head(at.host)}\r\nConnection: close\r\n\r\n`)
    expect(answer).toContain(`"url":"${url}"`)
    expect(answer).toContain(`"Host","${at.host}"`)
  })

  test('is led by the name of the host in any case and under any domain, which the guest sees as it came', async () => {
    await echo()
    for (const host of [at.host.toUpperCase(), `${PORT}-${at.id}.a.example.com`, `${PORT}-${at.id}.x:99`]) {
      const got = await at.get('/', { headers: { host } })
      expect(valuesOf(asked(got.body).raw, 'host')).toEqual([host])
      expect(valuesOf(asked(got.body).raw, 'x-forwarded-host')).toEqual([host])
    }
  })

  test('keeps its headers in their order, but those that belong to the connection or to us', async () => {
    await echo()
    const head = [
      `Host: ${at.host}`,
      'X-One: 1',
      'x-ONE: \xe9',
      'Authorization: Bearer theirs',
      `X-API-Key: ${at.on.key}`,
      'X-Wrenn-Token: secret',
      'Cookie: a=1; wrenn_token=secret; b="2"',
      'Connection: close, X-Mine, Content-Length',
      'X-Mine: gone',
      'Keep-Alive: timeout=9',
      'TE: trailers',
      'Proxy-Authorization: gone',
      'X-Forwarded-For: 1.2.3.4',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: spoofed',
      'Content-Length: 2',
    ]
    const answer = await at.say(`POST / HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\nhi`)
    const { raw, body } = asked(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))
    expect(body).toBe('hi')
    expect(raw).toEqual([
      ...['Host', at.host, 'X-One', '1', 'x-ONE', 'é', 'Authorization', 'Bearer theirs', 'Cookie', 'a=1; b="2"'],
      ...['Content-Length', '2', 'X-Forwarded-For', '127.0.0.1', 'X-Forwarded-Proto', 'http'],
      ...['X-Forwarded-Host', at.host, 'Connection', 'close'],
    ])
    expect(answer).not.toContain('secret')
  })

  test('may be chunked, with trailers, and comes as it is sent', async () => {
    const seen: string[] = []
    await at.http((request, answer) => {
      request.on('data', (chunk: Buffer) => {
        seen.push(chunk.toString())
        answer.write(chunk)
      })
      request.on('end', () => {
        answer.addTrailers({
          'x-sum': request.trailers['x-in'] ?? 'none',
          'x-key': request.trailers['x-api-key'] ?? 'none',
        })
        answer.end()
      })
    })
    const post = request(at.options({ method: 'POST', headers: { 'transfer-encoding': 'chunked', trailer: 'x-in' } }))
    post.flushHeaders()
    post.write('one')
    const [reply] = (await once(post, 'response')) as [IncomingMessage]
    expect((await once(reply, 'data')).toString()).toBe('one')
    post.addTrailers({ 'x-in': '42', 'x-api-key': 'secret' })
    post.end('two')
    expect(await text(reply)).toBe('two')
    expect(reply.trailers).toMatchObject({ 'x-sum': '42', 'x-key': 'none' })
    expect(seen).toEqual(['one', 'two'])
  })

  test('waits for the guest’s word where it asked for that, and is not sent when the guest says no', async () => {
    const server = await at.http((_, answer) => answer.writeHead(417).end())
    server.on('checkContinue', (request, answer) => {
      if (request.url === '/no') return answer.writeHead(413).end('too large')
      answer.writeContinue()
      request.pipe(answer)
    })
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: ${at.host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n`
    const socket = await at.socket()
    socket.write(`${head('/yes')}Connection: close\r\n\r\n`)
    expect((await once(socket, 'data')).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hi')
    expect(await text(socket)).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*hi/)
    expect(await at.say(`${head('/no')}\r\n`)).toMatch(/^HTTP\/1.1 413 [^]*too large/)
  })
})

describe('what is answered', () => {
  test('keeps its status, reason, headers and repeated cookies, but those of the connection', async () => {
    await at.tcp((socket) => {
      socket.end(
        'HTTP/1.1 299 Quite Fine\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Y: \xe9\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nDate: then\r\nContent-Length: 2\r\n\r\nok',
        'latin1',
      )
    })
    const answer = await at.say(`GET / HTTP/1.1\r\nHost: ${at.host}\r\nConnection: close\r\n\r\n`)
    expect(answer).toBe(
      'HTTP/1.1 299 Quite Fine\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Y: \xe9\r\nDate: then\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
    )
  })

  test('to HEAD is the head alone, its length included', async () => {
    await at.http((_, answer) => answer.writeHead(200, { 'content-length': 5 }).end('12345'))
    const got = await at.get('/', { method: 'HEAD' })
    expect(got).toMatchObject({ status: 200, body: '' })
    expect(got.headers['content-length']).toBe('5')
  })

  test.each([204, 304])('with status %d has no body', async (status) => {
    await at.http((_, answer) => answer.writeHead(status, { etag: '"x"' }).end())
    expect(await at.get('/')).toMatchObject({ status, body: '' })
  })

  test('of a server that speaks HTTP/1.0 ends where its connection does', async () => {
    await at.tcp((socket) => socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold'))
    expect(await at.get('/')).toMatchObject({ status: 200, body: 'old' })
    expect(await at.say(`GET / HTTP/1.0\r\nHost: ${at.host}\r\n\r\n`)).toMatch(/\r\n\r\nold$/)
  })

  test('comes without delay: the head before any of the body, and each event when it is sent', async () => {
    const gate = new Gate()
    await at.http((_, answer) => {
      answer.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      void gate.wait().then(() => answer.write('data: 1\n\n'))
    })
    const get = request(at.options())
    get.end()
    const [reply] = (await once(get, 'response')) as [IncomingMessage]
    expect(reply.headers['content-type']).toBe('text/event-stream')
    gate.open()
    expect((await once(reply, 'data')).toString()).toBe('data: 1\n\n')
    get.destroy()
  })

  test('may be preceded by others', async () => {
    await at.http((_, answer) => {
      answer.writeProcessing()
      answer.writeEarlyHints({ link: '</a.css>; rel=preload' })
      answer.end('x')
    })
    const get = request(at.options())
    const seen: number[] = []
    get.on('information', ({ statusCode }) => seen.push(statusCode))
    get.end()
    await once(get, 'response')
    expect(seen).toEqual([102, 103])
  })

  test('that comes before all was read ends the request, and its client hears it', async () => {
    await at.http((_, answer) => answer.writeHead(413).end('enough'))
    const post = request(at.options({ method: 'POST', headers: { 'transfer-encoding': 'chunked' } }))
    post.on('error', () => {})
    post.write('begin')
    const [reply] = (await once(post, 'response')) as [IncomingMessage]
    expect(await text(reply)).toBe('enough')
    await expect.poll(() => at.tunnels).toBe(0)
    post.destroy()
  })
})
