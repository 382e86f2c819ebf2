/** What holds for every request, whatever it asks. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { basePaths, errorSchema, routes, type Route, type RouteName } from '@wrenn/wire'
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
const pathOf = ({ path }: Route) => path.replace('{id}', id).replace('{selector}', 'some').replace('{name}', 'minimal')

/** Sends bytes as they are, and gives back what came until the server hung up. */
async function raw(text: string): Promise<string> {
  const socket = connect(Number(new URL(on.url).port), '127.0.0.1')
  let answer = ''
  socket.on('data', (data) => (answer += data.toString())).on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return answer
}

describe('the key', () => {
  test.each(all)('of %s is checked on both bases, before anything else of the request', async (_, route) => {
    for (const base of basePaths) {
      for (const key of ['', 'wrn_x', `wrn_${'0'.repeat(32)}`]) {
        const init = { headers: { 'x-api-key': key }, ...(route.method === 'POST' ? { body: '{' } : {}) }
        const { status, body } = await api.send(route.method, base + pathOf(route), init)
        if (!route.auth) expect(status).toBe(200)
        else expect([status, body.error.code]).toEqual([401, 'unauthorized'])
      }
    }
  })

  test('counts to the letter', async () => {
    for (const key of [on.key.toUpperCase(), ` ${on.key}x`, `${on.key}, ${on.key}`]) {
      expect((await api.call('listCapsules', { headers: { 'x-api-key': key } })).status).toBe(401)
    }
  })
})

describe('what is not served', () => {
  test.each(['/', '/v1', '/v1/', '/v1/nothing', '/api', '/api/api/v1/capsules', '/v1//capsules', '/health/x'])(
    '%s is not found, in JSON',
    async (path) => {
      const { status, body, headers } = await api.send('GET', path)
      expect([status, body.error.code]).toEqual([404, 'not_found'])
      expect(headers.get('content-type')).toMatch(/^application\/json/)
    },
  )

  test.each([
    ['PUT', '/v1/capsules', 'POST, GET, HEAD'],
    ['OPTIONS', '/api/v1/snapshots/x', 'GET, DELETE, HEAD'],
    ['PATCH', '/v1/snapshots', 'POST, GET, HEAD'],
    ['GET', '/v1/capsules/x/exec', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    // Not what is possible for a capsule of that name.
    ['OPTIONS', '/v1/capsules/usage', 'GET, HEAD'],
    ['DELETE', '/v1/capsules/usage', 'GET, HEAD'],
    ['DELETE', '/api/v1/capsules/stats?range=5m', 'GET, HEAD'],
    // A method that asks for a body, and has none.
    ['QUERY' as 'PATCH', '/v1/capsules', 'POST, GET, HEAD'],
  ] as const)('%s %s names what is allowed', async (method, path, allowed) => {
    const { status, body, headers } = await api.send(method, path)
    expect([status, body.error.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', allowed])
  })

  test('a HEAD is answered as a GET without its body', async () => {
    const response = await fetch(`${on.url}/v1/capsules`, { method: 'HEAD', headers: { 'x-api-key': on.key } })
    expect([response.status, await response.text()]).toEqual([200, ''])
  })
})

describe('a body', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=latin1',
    'multipart/mixed',
    'multipart/form-data; boundary=b',
    'json',
    '',
  ])('of type "%s" is read as JSON', async (type) => {
    const { status } = await api.call('createKey', { raw: Buffer.from('{}'), headers: { 'content-type': type } })
    expect(status).toBe(201)
  })

  test.each(['', ' ', '{', '{"a":1,}', "{'a':1}", 'NaN', 'undefined', '"x', '[1', '{}{}'])(
    '"%s" is no JSON',
    async (text) => {
      const { status, body } = await api.call('createKey', { raw: text })
      expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    },
  )

  test('may have one MiB, and no more, whether or not its length is said', async () => {
    const most = 1024 * 1024
    const padded = (size: number) => '{}'.padEnd(size, ' ')
    expect((await api.call('createKey', { raw: padded(most) })).status).toBe(201)
    expect((await api.call('createKey', { raw: padded(most + 1) })).body.error.code).toBe('too_large')
    const chunked = new Blob([padded(most + 1)]).stream()
    expect((await api.call('createKey', { raw: chunked })).body.error.code).toBe('too_large')
  })

  test('all of whose fields may be left out may be left out itself', async () => {
    const params = { name: 'minimal' }
    for (const ask of [{ params }, { params, raw: '' }, { params, raw: '{}' }]) {
      expect((await api.call('verifySnapshot', ask)).status).toBe(200)
    }
    for (const raw of [' ', '{', 'null', '[]']) {
      expect((await api.call('verifySnapshot', { params, raw })).body.error.code, raw).toBe('invalid_request')
    }
  })

  test('names every wrong field, however deep, and unknown fields are ignored', async () => {
    const json = { vcpus: 0, metadata: { a: 1 }, unknown: 1 }
    const { message } = (await api.call('createCapsule', { json })).body.error
    expect(message).toMatch(/vcpus: .*; metadata\.a: /)
    expect(message).not.toContain('unknown')
  })

  test('cannot reach the prototypes of objects', async () => {
    const text = '{"metadata":{"__proto__":"x"},"__proto__":{"vcpus":8},"constructor":{"prototype":{"polluted":1}}}'
    const refused = await api.call('createCapsule', { raw: text })
    expect([400, 201]).toContain(refused.status)
    if (refused.status === 201) expect(refused.body.vcpus).toBe(1)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    const deep = '['.repeat(500_000)
    expect((await api.call('createCapsule', { raw: deep })).status).toBe(400)
    expect((await api.call('createCapsule', { raw: deep + ']'.repeat(500_000) })).status).toBe(400)
  })
})

describe('a query', () => {
  test('whose parameter is given twice counts as it is given first', async () => {
    const json = { sandbox_id: id, name: 'twice', keep_source: true }
    await api.call('createSnapshot', { json })
    for (const query of ['?overwrite=false&overwrite=true', '?overwrite[]=true', '?overwrite=&overwrite=true']) {
      expect((await api.call('createSnapshot', { json, query })).body.error.code, query).toBe('conflict')
    }
    expect((await api.call('listSnapshots', { query: '?type=base&type=snapshot' })).status).toBe(200)
    expect((await api.call('listSnapshots', { query: '?__proto__=x&type=base' })).body).toHaveLength(2)
  })
})

describe('what is no request', () => {
  test.each([
    ['other bytes', 'nonsense\r\n\r\n'],
    ['a TLS greeting', '\x16\x03\x01\x02\0\x01\0\x01'],
    ['too long a head', `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    ['two lengths', 'POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['no host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('(%s) is refused in JSON, with an id', async (_, text) => {
    const [head, body] = (await raw(text)).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 400 /)
    const { code, request_id } = errorSchema.parse(JSON.parse(body!)).error
    expect([code, head]).toEqual(['invalid_request', expect.stringContaining(request_id ?? 'an id')])
  })

  test.each(['/v1/capsules/%', '/v1/snapshots/%c3%28', '/%00'])('a path like %s is refused', async (path) => {
    expect([400, 404]).toContain((await api.send('GET', path)).status)
  })
})

test('nothing secret is ever logged', async () => {
  on.host.programs['leaky'] = async function* () {
    yield { type: 'exit', exitCode: -1, timedOut: true, durationMs: 1 }
  }
  const json = { cmd: 'leaky', args: ['sssecret-arg'], envs: { A: 'sssecret-env' } }
  expect((await api.call('exec', { params: { id }, json })).status).toBe(502)
  on.host.faults.failNext('start', new Error('broken'))
  expect((await api.call('createCapsule', { json: { metadata: { a: 'sssecret-label' } } })).status).toBe(500)
  const log = on.log.join()
  expect(log).toContain('broken')
  expect(log).toMatch(/"reqId":"req-/)
  expect(log).not.toContain('sssecret')
  expect(log).not.toContain(on.key)
  expect(log).not.toContain('leaky')
})

test('the pages need no key, run nothing from elsewhere and nothing inline', async () => {
  for (const base of basePaths) {
    const headers = { 'x-api-key': '' }
    expect((await api.send('GET', `${base}/openapi.json`, { headers })).body.info.version).toBe('1.2.3')
    const page = await api.send('GET', `${base}/docs`, { headers })
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(page.bytes.toString()).not.toMatch(/<script>|<script (?!src)|(src|href)="(https?:)?\/\//)
    expect((await api.send('GET', `${base}/docs/..%2f..%2fpackage.json`, { headers })).status).toBe(404)
    expect((await api.send('GET', `${base}/docs/nothing.js`, { headers })).status).toBe(404)
  }
})
