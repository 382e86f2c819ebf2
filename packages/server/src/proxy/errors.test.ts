/** What the proxy refuses, and how it says so. */
import { newId } from '@wrenn/wire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PORT, Proxied } from '../testing/proxied.js'

let at: Proxied
beforeEach(async () => {
  at = await Proxied.open({ create: { timeout_sec: 60 } })
})
afterEach(() => at.end())

describe('errors in plain text', () => {
  test.each([0, 65_536, 99_999_999, '08'])('400 for the port %s', async (port) => {
    const got = await at.get('/', { headers: { host: at.nameOf(at.id, port) } })
    expect(got.status).toBe(400)
    expect(got.headers['content-type']).toContain('text/plain')
  })

  test.each(['cl-', 'cl-short', `cl-${'_'.repeat(25)}`])('400 for the id %s', async (id) => {
    expect((await at.get('/', { headers: { host: at.nameOf(id) } })).status).toBe(400)
  })

  test('400 for two Host headers, whichever names a port', async () => {
    for (const hosts of [
      [at.host, 'elsewhere'],
      ['elsewhere', at.host],
    ])
      expect(
        await at.say(`GET / HTTP/1.1\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`),
      ).toMatch(/^HTTP\/1.1 400 /)
  })

  test('400 for a body in a coding that is not understood', async () => {
    const answer = await at.say(
      `POST / HTTP/1.1\r\nHost: ${at.host}\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
  })

  test('404 for a capsule that nobody knows', async () => {
    const got = await at.get('/', { headers: { host: at.nameOf(newId('capsule')) } })
    expect(got).toMatchObject({ status: 404, body: 'There is no such capsule.\n' })
  })

  test('409 for one that is paused or gone, and none once it is resumed', async () => {
    await at.http((_, answer) => answer.end('x'))
    await at.ask.pause(at.id)
    expect((await at.get('/')).status).toBe(409)
    await at.ask.resume(at.id)
    expect((await at.get('/')).status).toBe(200)
    await at.ask.remove(at.id)
    expect((await at.get('/')).status).toBe(409)
  })

  test('502 where nothing listens', async () => {
    expect(await at.get('/')).toMatchObject({ status: 502, body: `Nothing listens on port ${PORT}.\n` })
  })

  test('leave the connection usable, whatever its client still had to send', async () => {
    const answer = await at.say(
      `POST / HTTP/1.1\r\nHost: ${at.host}\r\nContent-Length: 5\r\n\r\n12345` +
        'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1.1 502 [^]*HTTP\/1.1 200 OK[^]*"status":"ok"/)
  })
})
