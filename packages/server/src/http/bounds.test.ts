/** Nothing that a client sends is taken without a bound, whatever kind of route it is sent to. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { routes, type Route, type RouteName } from '@wrenn/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
let id: string
beforeAll(async () => {
  on = await serve()
  api = new Api(on)
  id = (await api.call('createCapsule', { json: {} })).body.id
})
afterAll(() => on.end())

const all = Object.entries(routes) as [RouteName, Route][]
const paramsOf = () => ({ id, selector: 'some', name: 'none', version: '1' })
const TOO_LARGE = 1024 * 1024 + 1

/** Bodies that are read as a whole: those of JSON, and those that nobody asked for. */
const whole = all.filter(
  ([, { body, method, replies }]) => method !== 'GET' && !replies[101] && (!body || body.kind === 'json'),
)

describe('a body of more than a mebibyte', () => {
  test.each(whole)('for %s is refused before it is read', async (name) => {
    const path = routes[name].path.includes('api-keys/{id}') ? { id: 'key-' + '0'.repeat(25) } : paramsOf()
    const { status, body } = await api.call(name, {
      params: path,
      raw: 'x'.repeat(TOO_LARGE),
      headers: { connection: 'close' },
    })
    expect([status, body.error.code]).toEqual([413, 'too_large'])
  })

  test('is refused too where it does not say how long it is', async () => {
    const chunks = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(64 * 1024))
      },
    })
    const { status } = await api.call('createKey', { raw: chunks }).catch(() => ({ status: 0 }))
    // The answer, or the connection's end before it could be read.
    expect([413, 0]).toContain(status)
  })
})

/** A form of these parts. */
async function form(parts: [name: string, value: string | Blob][], name: RouteName = 'writeFile') {
  const raw = new FormData()
  for (const [key, value] of parts) raw.append(key, value)
  return api.call(name, { params: { id }, raw })
}
const file = new Blob(['x'])

describe('a form', () => {
  test('has a path of bounded length', async () => {
    expect(
      (
        await form([
          ['path', 'x'.repeat(5000)],
          ['file', file],
        ])
      ).status,
    ).toBe(400)
    expect(
      (
        await form([
          ['path', 'x'.repeat(TOO_LARGE)],
          ['file', file],
        ])
      ).status,
    ).toBe(400)
  })

  test('has a bounded number of parts', async () => {
    const many = Array.from({ length: 40 }, (_, i): [string, string] => [`f${i}`, 'x'])
    expect((await form([...many, ['path', '/x'], ['file', file]])).status).toBe(400)
    const files = Array.from({ length: 5 }, (): [string, Blob] => ['other', file])
    expect((await form([['path', '/x'], ...files, ['file', file]])).status).toBe(400)
  })

  test('whose parts have endless heads is refused', async () => {
    const boundary = 'b'
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\nX: ${'x'.repeat(200_000)}\r\n\r\n/x\r\n`
    const raw = `${head}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--${boundary}--\r\n`
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
    const { status } = await api.call('writeFile', { params: { id }, raw, headers })
    expect([204, 400]).toContain(status)
  })
})

/** What is answered to bytes, until the server hangs up. */
async function say(text: string): Promise<string> {
  const socket = connect(Number(new URL(on.url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => (answer += data.toString())).on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return answer
}

describe('a head', () => {
  test.each([
    ['a URL of 20 kB', `GET /v1/capsules?x=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 'too large'],
    ['headers of 20 kB', `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'too large'],
    [
      '300 headers',
      `GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${'A: b\r\n'.repeat(300)}\r\n`,
      'more than 200',
    ],
  ])('with %s is refused', async (_, text, words) => {
    const answer = await say(text)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain(words)
  })

  test('with 100 headers is fine', async () => {
    const answer = await say(`GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${'A: b\r\n'.repeat(100)}\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})
