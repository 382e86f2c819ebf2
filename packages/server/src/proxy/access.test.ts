/** Ports that ask for a token. */
import type { CapsuleBody } from '@wrenn/wire'
import { afterEach, describe, expect, test } from 'vitest'
import { newKey } from '@wrenn/wire'
import { Proxied } from '../testing/proxied.js'
import { sameHost, withoutTokenCookie } from './access.js'

let at: Proxied
let token: string
afterEach(() => at?.end())

/** What the guest was asked. */
let seen: { url: string; headers: string }[]

async function guarded(create: object = { proxy_auth: true, timeout_sec: 60 }): Promise<void> {
  at = await Proxied.open({ create })
  token = (await at.ask.get(at.id)).proxy_token ?? ''
  seen = []
  await at.http((asked, answer) => {
    seen.push({ url: asked.url!, headers: asked.rawHeaders.join(' ') })
    answer.end('in')
  })
}

describe('a capsule whose ports ask for a token', () => {
  test('shows it to its team, keeps it over a pause, and its forks have others', async () => {
    await guarded()
    expect(token).toMatch(/^[0-9a-f]{48}$/)
    await at.ask.pause(at.id)
    expect(((await at.ask.resume(at.id)).body as CapsuleBody).proxy_token).toBe(token)
    const [fork] = (await at.ask.fork(at.id)).body as [CapsuleBody]
    expect(fork.proxy_token).toMatch(/^[0-9a-f]{48}$/)
    expect(fork.proxy_token).not.toBe(token)
    const host = at.nameOf(fork.id)
    expect((await at.get('/', { headers: { host, 'x-wrenn-token': token } })).status).toBe(401)
    expect((await at.get('/', { headers: { host, 'x-wrenn-token': fork.proxy_token } })).status).toBe(200)
  })

  test('lets in who has it, or a key of its team; the guest sees none of that', async () => {
    await guarded()
    const other = '0'.repeat(48)
    const ways: [string, Record<string, string>][] = [
      ['/a?b=1', { 'x-wrenn-token': token }],
      ['/a?b=1', { cookie: `x=1; wrenn_token=${token}` }],
      ['/a?b=1', { cookie: `wrenn_token=${other}; wrenn_token=${token}; x=1` }],
      [`/a?wrenn_token=${token}&b=1`, {}],
      [`/a?b=1&wrenn_token=${other}&wrenn_token=${token}`, {}],
      ['/a?b=1', { 'x-api-key': at.on.key }],
    ]
    for (const [path, headers] of ways) expect((await at.get(path, { headers })).status, path).toBe(200)
    expect(seen.map(({ url }) => url)).toEqual(ways.map(() => '/a?b=1'))
    for (const secret of [token, other, at.on.key, 'wrenn_token']) expect(JSON.stringify(seen)).not.toContain(secret)
    expect(at.on.log.join('\n')).not.toContain(token)
  })

  test('refuses everybody else, in whatever state it is, and that is no activity', async () => {
    await guarded()
    const strangers: [string, Record<string, string>][] = [
      ['/', {}],
      ['/', { 'x-wrenn-token': '' }],
      ['/', { 'x-wrenn-token': `${token}0` }],
      ['/', { authorization: `Bearer ${token}` }],
      ['/', { cookie: `xwrenn_token=${token}` }],
      [`/?xwrenn_token=${token}`, {}],
      [`/?wrenn_token=${token.toUpperCase()}x`, {}],
      ['/', { 'x-api-key': newKey() }],
    ]
    at.on.clock.advance(59)
    for (const [path, headers] of strangers) {
      const got = await at.get(path, { headers })
      expect(got.status, JSON.stringify(headers)).toBe(401)
      expect(got.headers['content-type']).toContain('text/plain')
    }
    expect(seen).toEqual([])
    at.on.clock.advance(2)
    await expect.poll(() => at.ask.status(at.id)).toBe('paused')
    expect((await at.get('/')).status).toBe(401)
    expect((await at.get('/', { headers: { 'x-wrenn-token': token } })).status).toBe(409)
  })

  test('sends a browser on to the URL without it, and gives it a cookie', async () => {
    await guarded()
    const accept = 'text/html,*/*'
    const got = await at.get(`/x?a=%2f&wrenn_token=${token}&b`, { headers: { accept } })
    expect(got.status).toBe(303)
    expect(got.headers).toMatchObject({
      location: '/x?a=%2f&b',
      'set-cookie': [`wrenn_token=${token}; Path=/; HttpOnly; SameSite=Lax`],
      'referrer-policy': 'no-referrer',
    })
    const [cookie] = got.headers['set-cookie']![0]!.split(';')
    expect((await at.get(got.headers.location!, { headers: { accept, cookie } })).body).toBe('in')
    expect((await at.get('/?wrenn_token=no', { headers: { accept } })).status).toBe(401)
    expect(seen.map(({ url }) => url)).toEqual(['/x?a=%2f&b'])
  })
})

describe('one whose ports do not', () => {
  test('has no token, and a parameter of that name is its own', async () => {
    await guarded({})
    expect(token).toBe('')
    expect((await at.get('/?wrenn_token=1', { headers: { accept: 'text/html' } })).status).toBe(200)
    expect(seen[0]!.url).toBe('/?wrenn_token=1')
  })

  test('may be what is asked for where the setting says otherwise', async () => {
    at = await Proxied.open({ proxyAuth: true })
    expect((await at.ask.get(at.id)).proxy_token).toBeDefined()
    const id = await at.ask.capsule({ proxy_auth: false })
    expect((await at.ask.get(id)).proxy_token).toBeUndefined()
  })
})

test('nobody is sent to another host, whatever the path begins with', () => {
  for (const path of ['//evil.example/', '/\\evil.example/', '/\t/evil.example/', '///x'])
    expect(new URL(sameHost(path), 'http://here/').host).toBe('here')
  expect(sameHost('/a//b')).toBe('/a//b')
})

test('of a cookie header only our cookie goes', () => {
  expect(withoutTokenCookie('a=1;b="x; wrenn_token2=3')).toBe('a=1;b="x; wrenn_token2=3')
  expect(withoutTokenCookie('wrenn_token=1; a=2;  b=3')).toBe('a=2;  b=3')
  expect(withoutTokenCookie(' wrenn_token=1')).toBe('')
})
