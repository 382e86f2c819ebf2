import { afterEach, beforeEach, expect, test } from 'vitest'
import { source, testGuest, whole, type TestGuest } from '../testing/guest.js'

let signal: AbortSignal
let fixture: TestGuest
beforeEach(() => {
  signal = AbortSignal.timeout(10_000)
  fixture = testGuest()
})
afterEach(() => fixture.end())

const read = async (path: string) => whole((await fixture.guest.readFile(path, signal)).chunks)
const write = (path: string, text: string | Uint8Array) => fixture.guest.writeFile(path, source(text), signal)

test('a file is what was written, with its size ahead', async () => {
  const content = Buffer.alloc(3 * 1024 * 1024, 'wrenn')
  await write('/root/a', content)
  expect((await read('/root/a')).equals(content)).toBe(true)
  const leaving = new AbortController()
  expect((await fixture.guest.readFile('/root/a', leaving.signal)).size).toBe(content.length)
  leaving.abort()
  expect(await fixture.guest.stat('/root/a', signal)).toMatchObject({ name: 'a', type: 'file', size: content.length })
  await expect(fixture.guest.stat('/root/b', signal)).rejects.toMatchObject({ code: 'not_found' })
})

test('a failure is told in its own words, however long the paths in them are', async () => {
  const [from, to] = ['a'.repeat(4096), 'b'.repeat(4096)]
  await expect(fixture.guest.stat(from, signal)).rejects.toMatchObject({ code: 'not_found' })
  fixture.end()
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 409 })
    stream.end(JSON.stringify({ error: { code: 'exists', message: `/root/${from} cannot be moved to /root/${to}.` } }))
  })
  await expect(fixture.guest.move({ from, to, overwrite: false }, signal)).rejects.toMatchObject({ code: 'conflict' })
})

test('a file whose source fails, or whose writer leaves, is not written', async () => {
  const broken = async function* () {
    yield Buffer.alloc(100_000)
    throw new Error('the client broke off')
  }
  await expect(fixture.guest.writeFile('/root/a', broken(), signal)).rejects.toThrow('the client broke off')
  const leaving = new AbortController()
  const idle = async function* () {
    yield Buffer.alloc(100_000)
    leaving.abort(new Error('the client left'))
    await new Promise(() => {})
  }
  await expect(fixture.guest.writeFile('/root/b', idle(), leaving.signal)).rejects.toThrow('the client left')
  await write('/root/c', 'c')
  expect((await fixture.guest.listFiles('/root', 1, signal)).map(({ name }) => name)).toEqual(['c'])
})

test('what the agent says while a file is sent is told at once, however slow its source', async () => {
  const idle = async function* () {
    yield Buffer.from('a')
    await new Promise(() => {})
  }
  fixture.end()
  fixture = testGuest((stream) => {
    stream.respond({ ':status': 507 })
    stream.end(JSON.stringify({ error: { code: 'no_space', message: 'The disk is full.' } }))
  })
  const written = fixture.guest.writeFile('/root/a', idle(), signal)
  await expect(written).rejects.toMatchObject({ code: 'insufficient_storage', message: 'The disk is full.' })
})

test('a move takes all along, and what is in its way stays unless it is to be replaced', async () => {
  await write('/root/a/b', 'b')
  await write('/root/c', 'c')
  const move = (from: string, to: string, overwrite = false) => fixture.guest.move({ from, to, overwrite }, signal)
  expect(await move('/root/a', '/root/new/a')).toMatchObject({ path: '/root/new/a', type: 'directory' })
  expect((await read('/root/new/a/b')).toString()).toBe('b')
  await expect(move('/root/c', '/root/new/a/b')).rejects.toMatchObject({ code: 'conflict' })
  await move('/root/c', '/root/new/a/b', true)
  expect((await read('/root/new/a/b')).toString()).toBe('c')
})

test('an archive of a directory lays the same out elsewhere', async () => {
  await write('/root/a/b', 'b')
  await write('/root/a/deep/er', Buffer.alloc(200_000, 1))
  await fixture.guest.makeDir('/root/a/empty', signal)
  const archive = await whole(await fixture.guest.readTar('/root/a', signal))
  await fixture.guest.writeTar('/root/z', source(archive.subarray(0, 700), archive.subarray(700)), signal)
  const names = (await fixture.guest.listFiles('/root/z', 9, signal)).map(({ path }) => path)
  expect(names).toEqual(['/root/z/b', '/root/z/deep', '/root/z/deep/er', '/root/z/empty'])
  expect((await read('/root/z/deep/er')).equals(Buffer.alloc(200_000, 1))).toBe(true)
})

test('what is no archive is refused', async () => {
  for (const wrong of ['', 'nonsense', Buffer.alloc(511)])
    await expect(fixture.guest.writeTar('/root/z', source(wrong), signal)).rejects.toMatchObject({
      code: 'invalid_request',
    })
  await expect(fixture.guest.readTar('/nothing', signal)).rejects.toMatchObject({ code: 'not_found' })
})

test('a watch tells what changes from when it is there, until the directory is gone', async () => {
  await fixture.guest.makeDir('/root/w', signal)
  const changes = await fixture.guest.watch('/root/w', true, signal)
  await write('/root/w/a', '1')
  await write('/root/w/a', '2')
  await write('/root/elsewhere', '')
  await fixture.guest.makeDir('/root/w/d', signal)
  await fixture.guest.move({ from: '/root/w/a', to: '/root/w/d/a', overwrite: false }, signal)
  await fixture.guest.remove('/root/w', signal)
  const told = []
  for await (const change of changes) told.push(change)
  expect(told).toEqual([
    { type: 'created', path: '/root/w/a' },
    { type: 'modified', path: '/root/w/a' },
    { type: 'created', path: '/root/w/d' },
    { type: 'moved', path: '/root/w/d/a', from: '/root/w/a' },
    { type: 'removed', path: '/root/w/d/a' },
    { type: 'removed', path: '/root/w/d' },
    { type: 'removed', path: '/root/w' },
  ])
  await expect(fixture.guest.watch('/root/elsewhere', false, signal)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('who watches and does not read is told that changes were missed', async () => {
  const changes = await fixture.guest.watch('/root', false, signal)
  for (let number = 0; number < 40_000; number++) fixture.inside.tree.write(`/root/${number % 10}`, Buffer.alloc(0))
  let told = 0
  for await (const { type } of changes) {
    if (type === 'overflow') break
    told++
  }
  expect(told).toBeLessThan(40_000)
})
