import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packDirectory } from '../copy/pack.js'
import { unpackInto } from '../copy/unpack.js'
import { capsuleBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()
const id = `cl-${'1'.repeat(25)}`
const files = `/v1/capsules/${id}/files`
const { signal } = new AbortController()
const isA = (type: string) => ({ json: { entry: { type } } })
let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wrenn-cp-'))
  mkdirSync(join(dir, 'tree/sub'), { recursive: true })
  writeFileSync(join(dir, 'tree/sub/a'), 'content')
  api.script[`GET /v1/capsules/${id}`] = { json: capsuleBody({ id }) }
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

test.each([
  ['/root/new', refusal(404, 'not_found', 'None.'), '/root/new'],
  ['/root/there', isA('directory'), '/root/there/tree'],
  ['/root/', isA('directory'), '/root/tree'],
])('a directory is sent to %s as one archive', async (path, stat, to) => {
  const call = `POST ${files}/tar/write?path=${encodeURIComponent(to)}`
  Object.assign(api.script, { [`POST ${files}/stat`]: stat, [call]: { status: 204 } })
  expect(await api.wrenn(['cp', '-r', join(dir, 'tree'), `${id}:${path}`])).toEqual({ code: 0, out: '', err: '' })
  await unpackInto(join(dir, 'back'), Readable.from([api.asked.at(-1)!.body]), signal)
  expect(readFileSync(join(dir, 'back/sub/a'), 'utf8')).toBe('content')
})

test.each([
  ['new', 'new/sub/a'],
  ['', 'root/sub/a'],
])('a directory comes as one archive into "%s"', async (here, file) => {
  Object.assign(api.script, {
    [`POST ${files}/stat`]: isA('directory'),
    [`POST ${files}/tar/read`]: { body: await buffer(packDirectory(join(dir, 'tree'), signal)) },
  })
  expect(await api.wrenn(['cp', '-r', `${id}:/root/`, join(dir, here)])).toEqual({ code: 0, out: '', err: '' })
  expect(readFileSync(join(dir, file), 'utf8')).toBe('content')
  expect(api.asked.at(-1)!.json).toEqual({ path: '/root/' })
})

test('a single file is copied as before, with -r too', async () => {
  Object.assign(api.script, {
    [`POST ${files}/stat`]: isA('file'),
    [`POST ${files}/stream/read`]: { body: Buffer.from('inside') },
    [`POST ${files}/stream/write`]: { status: 204 },
  })
  for (const flags of [[], ['-r']]) {
    expect((await api.wrenn(['cp', ...flags, `${id}:/root/f`, dir])).err).toBe('')
    expect(readFileSync(join(dir, 'f'), 'utf8')).toBe('inside')
    expect((await api.wrenn(['cp', ...flags, join(dir, 'f'), `${id}:/x/`])).err).toBe('')
    expect(api.asked.at(-1)!.body.toString()).toContain('/x/f\r\n')
  }
})

test('a directory without -r is refused, and so is a copy within one side', async () => {
  const { code, err } = await api.wrenn(['cp', join(dir, 'tree'), `${id}:/root/x`])
  expect([code, err]).toEqual([1, expect.stringContaining('With -r')])
  expect((await api.wrenn(['cp', 'a', 'b'])).code).toBe(2)
  expect(api.asked).toEqual([])
})

test('what cannot be read here is named, and not taken for a lost connection', async () => {
  const call = `POST ${files}/tar/write?path=%2Froot%2Fnew`
  Object.assign(api.script, { [`POST ${files}/stat`]: refusal(404, 'not_found', 'None.'), [call]: { status: 204 } })
  mkdirSync(join(dir, 'tree/sub/locked'), { mode: 0o000 })
  const { code, err } = await api.wrenn(['cp', '-r', join(dir, 'tree'), `${id}:/root/new`])
  // Root reads everything.
  if (process.getuid?.() === 0) expect(code).toBe(0)
  else expect([code, err]).toEqual([1, expect.stringContaining('EACCES')])
})

test('a refusal of the server in the middle of an archive is what is told', async () => {
  writeFileSync(join(dir, 'tree/large'), Buffer.alloc(20_000_000))
  Object.assign(api.script, {
    [`POST ${files}/stat`]: refusal(404, 'not_found', 'None.'),
    [`POST ${files}/tar/write?path=%2Froot%2Fnew`]: refusal(502, 'agent_error', 'The disk is full.'),
  })
  const { code, err } = await api.wrenn(['cp', '-r', join(dir, 'tree'), `${id}:/root/new`])
  expect([code, err]).toEqual([1, 'error: The disk is full. (agent_error, req-1)\n'])
  expect(existsSync(join(dir, 'new'))).toBe(false)
})
