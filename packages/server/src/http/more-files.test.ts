/** Files that are looked at, moved, watched, and carried as archives. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Problem } from '@wrenn/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

test('what is at a path is shown, and what is not is not found', async () => {
  inside.files.set('/a', Buffer.from('a'))
  expect((await api.call('statFile', { params, json: { path: '/a' } })).body.entry).toMatchObject({ path: '/a' })
  expect((await api.call('statFile', { params, json: { path: '/b' } })).body.error.code).toBe('not_found')
})

test('a file is moved, over another one only when that is asked for', async () => {
  inside.files.set('/from', Buffer.from('new'))
  inside.files.set('/to', Buffer.from('old'))
  const json = { from: '/from', to: '/to' }
  expect((await api.call('moveFile', { params, json })).body.error.code).toBe('conflict')
  const { status, body } = await api.call('moveFile', { params, json: { ...json, overwrite: true } })
  expect([status, body.entry.path, inside.files.get('/to')?.toString()]).toEqual([200, '/to', 'new'])
  expect(inside.files.has('/from')).toBe(false)
})

test('a watch begins at once, tells changes as they come, and shows that it lives', async () => {
  const left = new AbortController()
  const response = await fetch(`${on.url}/v1/capsules/${params.id}/files/watch`, {
    method: 'POST',
    headers: { 'x-api-key': on.key },
    body: '{"path":"/"}',
    signal: left.signal,
  })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const next = async () => (await reader.read()).value
  expect(await next()).toBe('\n')
  const signal = new AbortController().signal
  await inside.guest.writeFile('/seen', chunks('x'), signal)
  expect(JSON.parse((await next())!)).toEqual({ type: 'created', path: '/seen' })
  await expect.poll(() => on.clock.waiting()).toContain(30)
  on.clock.advance(31)
  expect(await next()).toBe('\n')
  await inside.guest.remove('/seen')
  expect(JSON.parse((await next())!)).toEqual({ type: 'removed', path: '/seen' })
  left.abort()
  await expect.poll(() => on.clock.waiting()).not.toContain(30)
})

test('an archive is read and laid out as it is, whatever its type is called', async () => {
  const archive = Buffer.from([0, 1, 2, 255])
  const write = { params, query: '?path=/tar', raw: archive }
  expect((await api.call('writeTar', { ...write, headers: { 'content-type': 'application/x-tar' } })).status).toBe(204)
  expect(
    (await api.call('writeTar', { ...write, headers: { 'content-type': 'multipart/form-data; boundary=b' } })).status,
  ).toBe(204)
  const { bytes } = await api.call('readTar', { params, json: { path: '/tar' } })
  expect(bytes.equals(archive)).toBe(true)
  expect((await api.call('readTar', { params, json: { path: '/none' } })).body.error.code).toBe('not_found')
  expect((await api.call('writeTar', { params, raw: archive })).body.error.code).toBe('invalid_request')
})

test('an archive reaches the guest while it is being sent, and one that is cut off is no whole one', async () => {
  let got = 0
  let failure: unknown
  inside.guest.writeTar = async (_, content) => {
    try {
      for await (const chunk of content) got += chunk.length
    } catch (error) {
      failure = error
      throw error
    }
  }
  const begin = () =>
    httpRequest(`${on.url}/v1/capsules/${params.id}/files/tar/write?path=/x`, {
      method: 'POST',
      headers: { 'x-api-key': on.key, 'content-type': 'application/x-tar' },
    }).on('error', () => {})
  const request = begin()
  request.write(Buffer.alloc(3 * 1024 * 1024))
  await expect.poll(() => got).toBe(3 * 1024 * 1024)
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.resume().statusCode).toBe(204)
  const other = begin()
  other.write('begun')
  await expect.poll(() => got).toBeGreaterThan(3 * 1024 * 1024)
  other.destroy()
  await expect.poll(() => failure).toMatchObject({ code: 'invalid_request' })
  Reflect.deleteProperty(inside.guest, 'writeTar')
})

test('one that is refused in its middle is answered, although the client goes on sending', async () => {
  inside.guest.writeTar = async (_, content) => {
    for await (const __ of content) throw new Problem('invalid_request', 'An entry leads out of the directory.')
  }
  const { status, body } = await api.call('writeTar', { params, query: '?path=/x', raw: Buffer.alloc(8 * 1024 * 1024) })
  expect([status, body.error.message]).toEqual([400, 'An entry leads out of the directory.'])
  Reflect.deleteProperty(inside.guest, 'writeTar')
})

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
