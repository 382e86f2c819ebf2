/** Whose word is taken on who is asking. */
import { afterEach, expect, test } from 'vitest'
import { Proxied } from '../testing/proxied.js'
import { Peers } from './peers.js'

const asked = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as never
const told = { 'x-forwarded-for': '203.0.113.9, 10.0.0.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a, b' }

test('where nobody is trusted, the connection is all that counts', () => {
  const peers = new Peers()
  const request = asked('10.0.0.1', told)
  expect(peers.addressOf(request)).toBe('10.0.0.1')
  expect(peers.schemeOf(request)).toBe('http')
  expect(peers.forwardedHostOf(request)).toBeUndefined()
  expect(peers.isProxied(request)).toBe(false)
})

test('of what a trusted proxy says, the last is its own; those before are believed as far as they are trusted', () => {
  const request = asked('10.0.0.1', told)
  expect(new Peers(['10.0.0.1']).addressOf(request)).toBe('10.0.0.7')
  const peers = new Peers(['10.0.0.0/8'])
  expect(peers.addressOf(request)).toBe('203.0.113.9')
  expect(peers.schemeOf(request)).toBe('https')
  expect(peers.forwardedHostOf(request)).toBe('b')
})

test('what the client itself made up before a trusted proxy is not believed', () => {
  const made = { 'x-forwarded-for': '127.0.0.1, 203.0.113.9' }
  expect(new Peers(['10.0.0.0/8']).addressOf(asked('10.0.0.1', made))).toBe('203.0.113.9')
})

test('others than the trusted are as nobody', () => {
  const peers = new Peers(['10.0.0.0/8', 'fd00::/8'])
  expect(peers.addressOf(asked('192.0.2.1', told))).toBe('192.0.2.1')
  expect(peers.isProxied(asked('::ffff:10.1.2.3'))).toBe(true)
  expect(peers.isProxied(asked('fd00::1'))).toBe(true)
  expect(peers.isProxied(asked('fe80::1'))).toBe(false)
  expect(peers.isProxied({ socket: {}, headers: {} } as never)).toBe(false)
})

test.each(['10.0.0.0/99', 'example.com', 'x'])('"%s" is no range of addresses', (range) => {
  expect(() => new Peers([range])).toThrow(TypeError)
})

let at: Proxied | undefined
afterEach(() => at?.end())

test.each([
  { trustedProxies: [], status: 404, why: 'is for the API where the proxy is not trusted' },
  { trustedProxies: ['127.0.0.0/8'], status: 200, why: 'is for the port where it is' },
])('a request whose X-Forwarded-Host names a port $why', async ({ trustedProxies, status }) => {
  at = await Proxied.open({ choices: { trustedProxies } })
  await at.http((request, answer) => answer.end(JSON.stringify(request.headers)))
  const headers = {
    host: 'inner',
    'x-forwarded-host': at.host,
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'https',
  }
  const got = await at.get('/', { headers })
  expect(got.status).toBe(status)
  if (status !== 200) return
  expect(JSON.parse(got.body)).toMatchObject({
    ...{ host: at.host, 'x-forwarded-host': at.host, 'x-forwarded-proto': 'https' },
    'x-forwarded-for': '203.0.113.9, 127.0.0.1',
  })
})

test('a request through a trusted proxy on this machine is not from this machine, nor in the clear', async () => {
  at = await Proxied.open({ choices: { trustedProxies: ['127.0.0.1'] } })
  const { url, key } = at.on
  expect((await fetch(`${url}/metrics`)).status).toBe(403)
  const headers = { 'x-api-key': key, 'x-forwarded-proto': 'https' }
  const answer = await fetch(`${url}/v1/capsules`, { headers })
  expect(answer.headers.get('strict-transport-security')).toMatch(/^max-age=/)
})

test('wrong keys are counted for the client behind a trusted proxy, and not for the proxy', async () => {
  at = await Proxied.open({ choices: { trustedProxies: ['127.0.0.1'], rates: { failures: 1 } } })
  const { url } = at.on
  const from = async (address: string) =>
    (await fetch(`${url}/v1/capsules`, { headers: { 'x-api-key': 'x', 'x-forwarded-for': address } })).status
  expect([await from('203.0.113.1'), await from('203.0.113.1'), await from('203.0.113.2')]).toEqual([401, 429, 401])
})

test('wrong tokens of ports are counted too, and who has the right one is let in', async () => {
  at = await Proxied.open({ create: { proxy_auth: true }, choices: { rates: { failures: 2 } } })
  await at.http((_, answer) => answer.end('in'))
  const token = (await at.ask.get(at.id)).proxy_token!
  const by = (value: string) => at!.get('/', { headers: { host: at!.host, 'x-wrenn-token': value } })
  const statuses = []
  for (const value of ['a', 'b', 'c', token]) statuses.push((await by(value)).status)
  expect(statuses).toEqual([401, 401, 429, 200])
  const refused = await by('d')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(refused.body).toContain('A right key is taken at any time')
})
