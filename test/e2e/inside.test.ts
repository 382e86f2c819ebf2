/** Programs and files inside a capsule, over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { execEventSchema, MAX_PLAIN_WRITE } from '@wrenn/wire'
import { Api, type Ask } from '../support/api.js'
import { startFake, type FakeRunning } from '../support/wrenn.js'

let wrenn: FakeRunning
let api: Api
let params: { id: string }
beforeAll(async () => {
  wrenn = await startFake()
  api = new Api(wrenn)
  params = { id: (await api.call('createCapsule', { json: {} })).body.id as string }
})
afterAll(() => wrenn.end())

const exec = (json: object, more: Ask = {}) => api.call('exec', { params, json, ...more })
const processes = async () =>
  (await api.call('listProcesses', { params })).body.processes as { tag?: string; cmd: string }[]

describe('a program', () => {
  test('runs to its end, with its output and exit code', async () => {
    const { status, body } = await exec({ cmd: 'echo', args: ['a', 'é'] })
    expect([status, body]).toEqual([
      200,
      {
        sandbox_id: params.id,
        id: expect.stringMatching(/^exec-[0-9a-f]{16}$/),
        cmd: 'echo',
        stdout: 'a é\n',
        stderr: '',
        exit_code: 0,
        encoding: 'utf-8',
        duration_ms: expect.any(Number),
      },
    ])
    expect((await exec({ cmd: 'complain', args: ['no'] })).body).toMatchObject({ stderr: 'no\n', exit_code: 1 })
    expect((await exec({ cmd: 'env', envs: { A: 'b' } })).body.stdout).toContain('A=b')
    expect((await exec({ cmd: 'pwd' })).body.stdout).toBe('/root\n')
  })

  test('whose output is no UTF-8 is answered in base64', async () => {
    expect((await exec({ cmd: 'bytes', args: ['fffe'] })).body).toMatchObject({
      stdout: '//4=',
      stderr: '',
      encoding: 'base64',
    })
  })

  test('past its time is killed, and the answer says so', async () => {
    const { status, body } = await exec({ cmd: 'sleep', args: ['infinity'], timeout_sec: 1 })
    expect([status, body.error.code]).toEqual([502, 'agent_error'])
    expect(body.error.message).toContain('timed out')
    expect(await processes()).toEqual([])
  })

  test('that prints without end is killed, and the answer says what to do', async () => {
    const { status, body } = await exec({ cmd: 'yes' })
    expect([status, body.error.code]).toEqual([502, 'agent_error'])
    expect(body.error.hint).toContain('Stream')
    await expect.poll(processes).toEqual([])
  })

  test('whose client hangs up is killed', async () => {
    const left = new AbortController()
    const asked = exec({ cmd: 'sleep', args: ['infinity'] }, { signal: left.signal }).catch(() => 'left')
    await expect.poll(async () => (await processes()).length).toBe(1)
    left.abort()
    expect(await asked).toBe('left')
    await expect.poll(processes).toEqual([])
  })

  test('in the background goes on, is listed by its tag, and is killed by it', async () => {
    const { status, body } = await exec({ cmd: 'sleep', args: ['infinity'], background: true })
    expect(status).toBe(202)
    expect(body.tag).toMatch(/^proc-[0-9a-f]{8}$/)
    await exec({ cmd: 'sleep', args: ['infinity'], background: true, tag: 'mine' })
    expect((await exec({ cmd: 'sleep', args: ['1'], background: true, tag: 'mine' })).body.error.code).toBe('conflict')
    expect((await processes()).map(({ tag }) => tag)).toEqual([body.tag, 'mine'])
    const kill = (selector: string, query = '') => api.call('killProcess', { params: { ...params, selector }, query })
    expect((await kill('mine', '?signal=SIGTERM')).status).toBe(204)
    expect((await kill(String(body.pid), '?signal=SIGUSR1')).status).toBe(400)
    expect((await kill(String(body.pid))).status).toBe(204)
    await expect.poll(processes).toEqual([])
    expect((await kill('mine')).body.error.code).toBe('not_found')
    expect((await kill('-1')).status).toBe(400)
  })

  test('is streamed event by event where that is asked for', async () => {
    const headers = { accept: 'application/x-ndjson' }
    const events = async (json: object) => {
      const { bytes } = await exec(json, { headers })
      return bytes
        .toString()
        .trim()
        .split('\n')
        .map((line) => execEventSchema.parse(JSON.parse(line)))
    }
    expect(await events({ cmd: 'bytes', args: ['c3', 'a9', 'ff'] })).toMatchObject([
      { type: 'start' },
      { type: 'stdout', data: 'é', encoding: 'utf-8' },
      { type: 'stdout', data: '/w==', encoding: 'base64' },
      { type: 'exit', exit_code: 0 },
    ])
    expect((await events({ cmd: 'sleep', args: ['9'], timeout_sec: 1 })).at(-1)).toMatchObject({
      type: 'error',
      code: 'agent_error',
    })
  })

  test.each([
    [{}],
    [{ cmd: '' }],
    [{ cmd: 'a\0b' }],
    [{ cmd: 'x', args: 'y' }],
    [{ cmd: 'x', timeout_sec: 0 }],
    [{ cmd: 'x', envs: { 'a=b': '' } }],
    [{ cmd: 'x', tag: '12' }],
  ])('%j is refused', async (json) => expect((await exec(json)).status).toBe(400))

  test('that does not exist is not found', async () => {
    expect((await exec({ cmd: 'no-such-program' })).body.error.code).toBe('not_found')
  })
})

describe('files', () => {
  const upload = (name: 'writeFile' | 'streamWriteFile', raw: FormData) => api.call(name, { params, raw })
  const form = (...parts: [string, string | Blob][]) => {
    const data = new FormData()
    for (const [name, value] of parts) data.append(name, value)
    return data
  }
  const read = (path: string) => api.call('readFile', { params, json: { path } })

  test('are written and read back, byte for byte, whichever part comes first', async () => {
    const content = new Uint8Array(300_000).map((_, i) => i * 7)
    for (const name of ['writeFile', 'streamWriteFile'] as const) {
      for (const isFirst of [true, false]) {
        const parts: [string, string | Blob][] = [
          ['path', `/root/${name}/${isFirst}`],
          ['file', new Blob([content])],
        ]
        expect((await upload(name, form(...(isFirst ? parts : parts.toReversed())))).status).toBe(204)
        const { bytes, headers } = await read(`/root/${name}/${isFirst}`)
        expect(bytes.equals(content)).toBe(true)
        expect(headers.get('content-length')).toBe('300000')
      }
    }
  })

  test('are written from chunked bodies of unknown length', async () => {
    const boundary = 'b'
    const text = `--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nchunked\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nabc\r\n--b--\r\n`
    const raw = new ReadableStream({
      pull(controller) {
        for (const character of text) controller.enqueue(Buffer.from(character))
        controller.close()
      },
    })
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
    expect((await api.call('streamWriteFile', { params, raw, headers })).status).toBe(204)
    expect((await read('~/chunked')).bytes.toString()).toBe('abc')
  })

  test('that are too large for the plain call are refused, and what was there stays', async () => {
    await upload('writeFile', form(['path', 'big'], ['file', new Blob(['old'])]))
    const huge = new Blob([new Uint8Array(MAX_PLAIN_WRITE + 1)])
    const { status, body } = await upload('writeFile', form(['path', 'big'], ['file', huge]))
    expect([status, body.error.code]).toEqual([413, 'too_large'])
    expect((await read('big')).bytes.equals(Buffer.from('old'))).toBe(true)
  })

  test('uploads that are malformed are refused', async () => {
    for (const data of [
      form(),
      form(['path', 'x']),
      form(['file', new Blob(['x'])]),
      form(['path', ''], ['file', new Blob(['x'])]),
    ]) {
      expect((await upload('writeFile', data)).body.error.code).toBe('invalid_request')
    }
    expect((await api.call('writeFile', { params, json: { path: 'x' } })).status).toBe(400)
    const headers = { 'content-type': 'multipart/form-data; boundary=x' }
    expect((await api.call('writeFile', { params, raw: 'nonsense', headers })).status).toBe(400)
  })

  test('are listed, made and removed', async () => {
    const list = async (path: string, depth?: number) =>
      (await api.call('listFiles', { params, json: { path, depth } })).body.entries?.map(
        (entry: { path: string }) => entry.path,
      ) as string[]
    expect((await api.call('makeDir', { params, json: { path: '/srv/a/b' } })).body.entry).toMatchObject({
      path: '/srv/a/b',
      type: 'directory',
    })
    expect((await api.call('makeDir', { params, json: { path: '/srv/a/b' } })).body.error.code).toBe('conflict')
    expect(await list('/srv')).toEqual(['/srv/a'])
    expect(await list('/srv', 0)).toEqual(['/srv/a'])
    expect(await list('/srv', 5)).toEqual(['/srv/a', '/srv/a/b'])
    expect((await api.call('removeFile', { params, json: { path: '/srv/a' } })).status).toBe(204)
    expect(await list('/srv')).toEqual([])
  })

  test('that are missing are not found before any byte is sent', async () => {
    for (const name of ['readFile', 'streamReadFile', 'listFiles', 'removeFile'] as const) {
      const { status, body } = await api.call(name, { params, json: { path: '/no/such' } })
      expect([status, body.error.code]).toEqual([404, 'not_found'])
    }
  })
})
