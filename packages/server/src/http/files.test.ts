/** Files, where clients leave in the middle and guests fail on the way. */
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { MAX_PLAIN_WRITE, Problem } from '@wrenn/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Api } from '../../../../test/support/api.js'
import type { MemoryCapsule } from '../testing/memory-host.js'
import { serve, type Serving } from '../testing/serve.js'

let on: Serving
let api: Api
let params: { id: string }
let inside: MemoryCapsule
beforeAll(async () => {
  on = await serve()
  api = new Api(on)
  params = { id: (await api.call('createCapsule', { json: {} })).body.id }
  inside = on.host.capsule(params.id)
})
afterAll(() => on.end())

type Writing = 'writeFile' | 'streamWriteFile'
const routesOf: Record<Writing, string> = { writeFile: 'files/write', streamWriteFile: 'files/stream/write' }
const headers = { 'content-type': 'multipart/form-data; boundary=b' }
const pathPart = (path: string) => `--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n${path}\r\n`
const fileHead = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
const end = '\r\n--b--\r\n'
const both = (path: string, text: string) => pathPart(path) + fileHead + text + end
const write = (name: Writing, raw: string) => api.call(name, { params, raw, headers })
const waiting = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('wrenn-upload-'))

/** A request whose body is written by hand, without a length. */
function begin(name: Writing): ClientRequest {
  const request = httpRequest(`${on.url}/v1/capsules/${params.id}/${routesOf[name]}`, {
    method: 'POST',
    headers: { ...headers, 'x-api-key': on.key },
  })
  request.on('error', () => {})
  return request
}

describe('an upload', () => {
  test.each(['writeFile', 'streamWriteFile'] as const)('to %s is written in both orders', async (name) => {
    expect((await write(name, both('/first', 'abc'))).status).toBe(204)
    expect((await write(name, `${fileHead}def\r\n${pathPart('/second')}--b--\r\n`)).status).toBe(204)
    expect(inside.files.get('/first')?.toString()).toBe('abc')
    expect(inside.files.get('/second')?.toString()).toBe('def')
    expect((await write(name, both('/empty', ''))).status).toBe(204)
    expect(inside.files.get('/empty')).toHaveLength(0)
    expect(await waiting()).toEqual([])
  })

  test('with the path first reaches the guest while it is still being sent', async () => {
    const guest = inside.guest
    let got = ''
    guest.writeFile = async (_, chunks) => {
      for await (const chunk of chunks) got += Buffer.from(chunk).toString()
    }
    const request = begin('streamWriteFile')
    request.write(pathPart('/live') + fileHead + 'begun' + 'x'.repeat(70_000))
    await expect.poll(() => got.length).toBeGreaterThan(60_000)
    request.end(end)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(204)
    Reflect.deleteProperty(guest, 'writeFile')
  })

  test.each([true, false])('that its client abandons leaves no part of the file (path first: %s)', async (isFirst) => {
    inside.files.set('/kept', Buffer.from('old'))
    const request = begin('streamWriteFile')
    request.write((isFirst ? pathPart('/kept') : '') + fileHead + 'x'.repeat(200_000))
    if (!isFirst) await expect.poll(waiting).toHaveLength(1)
    else await new Promise((resolve) => setTimeout(resolve, 100))
    request.destroy()
    await expect.poll(waiting).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(inside.files.get('/kept')?.toString()).toBe('old')
  })

  test('of exactly the most that the plain call takes is written, and of one byte more is not', async () => {
    for (const [size, status] of [
      [MAX_PLAIN_WRITE, 204],
      [MAX_PLAIN_WRITE + 1, 413],
    ] as const) {
      const form = new FormData()
      form.append('path', '/big')
      form.append('file', new Blob([new Uint8Array(size)]))
      expect((await api.call('writeFile', { params, raw: form })).status).toBe(status)
    }
    expect(inside.files.get('/big')).toHaveLength(MAX_PLAIN_WRITE)
    inside.files.delete('/big')
  })

  test('of any size is streamed; with the file first the disk of the server sets a limit', async () => {
    for (const [isFirst, status] of [
      [true, 204],
      [false, 413],
    ] as const) {
      const form = new FormData()
      const file = new Blob([new Uint8Array(MAX_PLAIN_WRITE + 1)])
      if (isFirst) form.append('path', '/huge')
      form.append('file', file)
      if (!isFirst) form.append('path', '/huge')
      expect((await api.call('streamWriteFile', { params, raw: form })).status).toBe(status)
    }
    expect(inside.files.get('/huge')).toHaveLength(MAX_PLAIN_WRITE + 1)
    inside.files.delete('/huge')
    expect(await waiting()).toEqual([])
  })

  test.each([
    ['nothing', ''],
    ['nonsense', 'nonsense'],
    ['no file', pathPart('/x') + '--b--\r\n'],
    ['no path', `${fileHead}x${end}`],
    ['an empty path', both('', 'x')],
    ['a path with NUL', both('a\0b', 'x')],
    ['a path that is too long', both('x'.repeat(5000), 'x')],
    ['a file that is cut off', pathPart('/cut') + fileHead + 'half'],
    ['a file that is cut off, and a path that never comes', `${fileHead}half`],
    ['a field that is called as what every object has', both('/x', 'x').replace('name="path"', 'name="__proto__"')],
    ['a path as a file', both('/x', 'x').replace('name="path"', 'name="path"; filename="p"')],
  ])('with %s is refused as the client’s mistake', async (_, raw) => {
    for (const name of ['writeFile', 'streamWriteFile'] as const) {
      const { status, body } = await write(name, raw)
      expect([status, body.error.code]).toEqual([400, 'invalid_request'])
    }
    expect(inside.files.has('/cut')).toBe(false)
    expect(await waiting()).toEqual([])
  })

  test('that is no multipart at all is refused with what it has to be', async () => {
    for (const type of ['application/json', '', 'nonsense', 'multipart/mixed; boundary=b', 'multipart/form-data']) {
      const ask = { params, raw: Buffer.from(both('/x', 'x')), headers: { 'content-type': type } }
      const { status, body } = await api.call('writeFile', ask)
      expect([status, body.error.code], type).toEqual([400, 'invalid_request'])
      expect(body.error.message, type).toContain('multipart/form-data')
    }
  })

  test.each([
    [new Problem('insufficient_storage', 'The disk of the capsule is full.'), 507, 'insufficient_storage'],
    [new Error('the information at /secret was malformed'), 500, 'internal_error'],
  ] as const)('that the guest refuses (%s) is answered with that', async (error, ...expected) => {
    inside.guest.writeFile = async (_, chunks) => {
      for await (const _chunk of chunks) throw error
    }
    const { status, body } = await write('writeFile', both('/x', 'x'.repeat(300_000)))
    expect([status, body.error.code]).toEqual(expected)
    expect(JSON.stringify(body)).not.toContain('secret')
    Reflect.deleteProperty(inside.guest, 'writeFile')
  })
})

describe('a read', () => {
  const read = (path: string) => api.call('readFile', { params, json: { path } })
  const reader = (chunks: () => AsyncGenerator<Uint8Array>, size?: number) =>
    (inside.readers['/special'] = () => ({ size, chunks: chunks() }))

  test('has its length where that is known, and comes chunked where it is not', async () => {
    inside.files.set('/known', Buffer.from('abc'))
    expect((await read('/known')).headers.get('content-length')).toBe('3')
    reader(async function* () {
      yield Buffer.from('ab')
      yield Buffer.alloc(0)
      yield Buffer.from('c')
    })
    const { bytes, headers: answered } = await read('/special')
    expect([bytes.toString(), answered.get('content-length')]).toEqual(['abc', null])
    inside.files.set('/empty', Buffer.alloc(0))
    expect((await read('/empty')).bytes).toHaveLength(0)
  })

  test('of what is not there is not found, before any byte', async () => {
    expect((await read('/missing')).body.error.code).toBe('not_found')
  })

  test.each([
    ['fails on the way', 6, async () => Promise.reject(new Error('broken'))],
    ['fails on the way, of no known length', undefined, async () => Promise.reject(new Error('broken'))],
    ['ends before its length', 6, async () => {}],
  ] as const)('that %s cuts the connection: half a file is no file', async (_, size, then) => {
    reader(async function* () {
      yield Buffer.from('abc')
      await then()
    }, size)
    await expect(read('/special')).rejects.toThrow()
    expect((await api.call('getHealth')).status).toBe(200)
  })

  test('that goes on after its length gives that much, and the next answer on the connection is whole', async () => {
    reader(async function* () {
      yield Buffer.from('abc')
      yield Buffer.from('def')
    }, 2)
    for (let i = 0; i < 3; i++) expect((await read('/special')).bytes.toString()).toBe('ab')
  })

  test('whose client leaves ends the reading', async () => {
    let isEnded = false
    reader(async function* () {
      try {
        for (;;) yield Buffer.alloc(65_536)
      } finally {
        isEnded = true
      }
    })
    const left = new AbortController()
    const response = await fetch(`${on.url}/api/v1/capsules/${params.id}/files/stream/read`, {
      method: 'POST',
      headers: { 'x-api-key': on.key },
      body: '{"path":"/special"}',
      signal: left.signal,
    })
    await response.body!.getReader().read()
    left.abort()
    await expect.poll(() => isEnded).toBe(true)
  })
})
