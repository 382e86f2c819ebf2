/** What browsers are told, and what their pages may do. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Api } from '../../../../test/support/api.js'
import { Ask } from '../testing/ask.js'
import { serve, type Serving } from '../testing/serve.js'
import { Socket } from '../testing/socket.js'
import { safety } from './headers.js'

const FRIEND = 'https://app.example.com'
let on: Serving
let open: Serving
beforeAll(async () => {
  on = await serve()
  open = await serve(undefined, { origins: [FRIEND] })
})
afterAll(async () => {
  await on.end()
  await open.end()
})

describe('every answer tells browsers to be careful', () => {
  test.each([
    ['/health', 200],
    ['/v1/capsules', 200],
    ['/v1/capsules/x', 400],
    ['/v1/nowhere', 404],
    ['/v1/capsules/%', 400],
    ['/openapi.json', 200],
    ['/metrics', 200],
  ])('%s', async (path, status) => {
    const answer = await new Api(on).send('GET', path).catch(() => fetch(on.url + path))
    expect(answer.status).toBe(status)
    for (const [name, value] of Object.entries(safety)) expect(answer.headers.get(name), name).toBe(value)
    expect(answer.headers.get('strict-transport-security')).toBeNull()
  })

  test('also a refusal of what is no HTTP', async () => {
    const socket = connect(Number(new URL(on.url).port), '127.0.0.1')
    socket.write('nonsense\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    for (const [name, value] of Object.entries(safety)) expect(String(answer)).toContain(`${name}: ${value}`)
  })

  test('the documentation may run its own scripts, and nothing else', async () => {
    const { headers } = await fetch(`${on.url}/docs/`)
    for (const [name, value] of Object.entries(safety))
      if (name !== 'content-security-policy') expect(headers.get(name), name).toBe(value)
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self';/)
  })
})

const preflight = (server: Serving, origin: string, more: Record<string, string> = {}) =>
  fetch(`${server.url}/v1/capsules`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key,idempotency-key',
      ...more,
    },
  })

describe('pages of other origins', () => {
  test('may do nothing unless they are named', async () => {
    const { status, headers } = await preflight(on, FRIEND)
    expect([status, headers.get('access-control-allow-origin')]).toEqual([405, null])
    const plain = await fetch(`${on.url}/health`, { headers: { origin: FRIEND } })
    expect(plain.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('that are named may use the API, with its headers', async () => {
    const { status, headers } = await preflight(open, FRIEND)
    expect([status, headers.get('access-control-allow-origin')]).toEqual([204, FRIEND])
    expect(headers.get('access-control-allow-headers')).toMatch(/X-API-Key.*Idempotency-Key/)
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      expect(headers.get('access-control-allow-methods')).toContain(method)
    expect(headers.get('access-control-allow-credentials')).toBeNull()
    const answer = await fetch(`${open.url}/v1/capsules`, { headers: { origin: FRIEND } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, FRIEND])
    expect(answer.headers.get('access-control-expose-headers')).toContain('Retry-After')
    expect(answer.headers.get('vary')).toContain('Origin')
  })

  test.each(['https://app.example.com.evil.test', 'http://app.example.com', 'https://app.example.com:444', 'null'])(
    'are told apart to the letter: %s',
    async (origin) => {
      expect((await preflight(open, origin)).headers.get('access-control-allow-origin')).toBeNull()
    },
  )
})

describe('a page that opens a WebSocket with the key in its first message', () => {
  const path = async (server: Serving) => `/v1/capsules/${await new Ask(server).capsule()}/pty`
  const from = async (server: Serving, origin: string, key = '') =>
    new Socket(server, await path(server), { key, headers: { origin } })

  test('of another origin is refused', async () => {
    const { status, body } = await (await from(on, FRIEND)).refused()
    expect([status, body.error.code]).toEqual([403, 'forbidden'])
    expect((await (await from(open, 'https://evil.test')).refused()).status).toBe(403)
  })

  test('may be of the server’s own host, or of an origin that is named', async () => {
    const pages: [Serving, string][] = [
      [open, FRIEND],
      [on, on.url],
      [on, on.url.replace('http', 'https')],
    ]
    for (const [server, origin] of pages) {
      const socket = await from(server, origin)
      await socket.open()
      expect(socket.ws.readyState).toBe(WebSocket.OPEN)
      socket.ws.terminate()
    }
  })

  test('whoever sends the key as a header is no page', async () => {
    const socket = await from(on, 'https://evil.test', on.key)
    await socket.open()
    socket.ws.terminate()
  })
})
