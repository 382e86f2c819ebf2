import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pack } from 'tar-stream'
import { packDirectory } from './pack.js'
import { unpackInto } from './unpack.js'

const { signal } = new AbortController()
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wrenn-copy-'))
})
afterEach(() => {
  if (existsSync(join(dir, 'to/sealed'))) chmodSync(join(dir, 'to/sealed'), 0o755)
  if (existsSync(join(dir, 'from/sealed'))) chmodSync(join(dir, 'from/sealed'), 0o755)
  rmSync(dir, { recursive: true, force: true })
})

type Made = Parameters<ReturnType<typeof pack>['entry']>[0] & { content?: string }

function archiveOf(...entries: Made[]): Readable {
  const archive = pack()
  for (const { content = '', ...header } of entries)
    if (header.type && header.type !== 'file') archive.entry(header)
    else archive.entry(header, content)
  archive.finalize()
  return Readable.from(archive, { objectMode: false })
}

test('a directory comes out as it went in', async () => {
  const [from, to] = [join(dir, 'from'), join(dir, 'to')]
  mkdirSync(join(from, 'a/b'), { recursive: true })
  mkdirSync(join(from, 'sealed'))
  mkdirSync(join(from, 'empty'))
  const long = 'é'.repeat(100)
  writeFileSync(join(from, 'a/b', long), Buffer.alloc(3_000_000, 'x'))
  writeFileSync(join(from, 'none'), '')
  writeFileSync(join(from, 'sealed/run'), '#!')
  chmodSync(join(from, 'sealed/run'), 0o751)
  chmodSync(join(from, 'sealed'), 0o555)
  utimesSync(join(from, 'none'), 1_000_000_000, 1_000_000_000)
  symlinkSync('/etc/passwd', join(from, 'absolute'))
  symlinkSync('../../..', join(from, 'a/up'))
  symlinkSync('nowhere', join(from, 'a/dangling'))

  await unpackInto(to, packDirectory(from, signal), signal)
  expect(readFileSync(join(to, 'a/b', long)).length).toBe(3_000_000)
  expect(readFileSync(join(to, 'none'), 'utf8')).toBe('')
  expect(lstatSync(join(to, 'none')).mtimeMs).toBe(1_000_000_000_000)
  const modes = ['sealed/run', 'sealed', 'none'].map((name) => lstatSync(join(to, name)).mode & 0o7777)
  expect(modes).toEqual([0o751, 0o555, lstatSync(join(from, 'none')).mode & 0o7777])
  expect(['absolute', 'a/up', 'a/dangling'].map((name) => readlinkSync(join(to, name)))).toEqual([
    '/etc/passwd',
    '../../..',
    'nowhere',
  ])
  expect(readdirSync(join(to, 'empty'))).toEqual([])
  // Once more over what is there.
  await unpackInto(to, packDirectory(from, signal), signal)
})

test('an archive is one that others read, and everything in it belongs to root', async () => {
  mkdirSync(join(dir, 'from'))
  writeFileSync(join(dir, 'from/a'), 'content')
  const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], {
    input: await buffer(packDirectory(join(dir, 'from'), signal)),
    encoding: 'utf8',
  })
  expect(listed).toMatch(/^-rw-\S+ 0\/0 +7 .* a\n$/)
})

test.each<[string, Made[]]>([
  ['a name that leads out', [{ name: '../out', content: 'x' }]],
  ['a name that leads out on the way', [{ name: 'a/../../out', content: 'x' }]],
  ['an absolute name', [{ name: '/tmp/wrenn-out', content: 'x' }]],
  [
    'a link that leads out, and a file behind it',
    [
      { name: 'l', type: 'symlink', linkname: '..' },
      { name: 'l/out', content: 'x' },
    ],
  ],
  [
    'a link that leads out, and a directory behind it',
    [
      { name: 'l', type: 'symlink', linkname: '..' },
      { name: 'l/out', type: 'directory' },
    ],
  ],
  [
    'a link in the place of a directory',
    [
      { name: 'd', type: 'directory' },
      { name: 'd', type: 'symlink', linkname: '..' },
      { name: 'd/out', content: 'x' },
    ],
  ],
  ['a hard link to what is outside', [{ name: 'h', type: 'link', linkname: '../secret' }]],
  [
    'a hard link through a link',
    [
      { name: 'l', type: 'symlink', linkname: '..' },
      { name: 'h', type: 'link', linkname: 'l/secret' },
    ],
  ],
])('%s is refused', async (_, entries) => {
  writeFileSync(join(dir, 'secret'), 'secret')
  await expect(unpackInto(join(dir, 'to'), archiveOf(...entries), signal)).rejects.toThrow(
    /leads out|no directory|is a directory/,
  )
  expect(readdirSync(dir).sort()).toEqual(['secret', 'to'])
  expect(readFileSync(join(dir, 'secret'), 'utf8')).toBe('secret')
  expect(existsSync('/tmp/wrenn-out')).toBe(false)
})

test('a file replaces a link, and not what the link is for', async () => {
  writeFileSync(join(dir, 'secret'), 'secret')
  mkdirSync(join(dir, 'to'))
  symlinkSync('../secret', join(dir, 'to/f'))
  await unpackInto(join(dir, 'to'), archiveOf({ name: './f', content: 'new' }), signal)
  expect([readFileSync(join(dir, 'to/f'), 'utf8'), readFileSync(join(dir, 'secret'), 'utf8')]).toEqual([
    'new',
    'secret',
  ])
})

test('rights that a program would take from its owner are left behind, and strange kinds passed over', async () => {
  const archive = archiveOf(
    { name: 'f', mode: 0o6777, content: 'x' },
    { name: 'p', type: 'fifo' },
    { name: 'g', content: 'y' },
  )
  await unpackInto(join(dir, 'to'), archive, signal)
  expect(lstatSync(join(dir, 'to/f')).mode & 0o7777).toBe(0o777)
  expect(readdirSync(join(dir, 'to')).sort()).toEqual(['f', 'g'])
})

test('an archive that breaks off is a failure', async () => {
  const whole = await buffer(archiveOf({ name: 'f', content: 'x'.repeat(10_000) }))
  const torn = Readable.from([whole.subarray(0, 3_000)])
  await expect(unpackInto(join(dir, 'to'), torn, signal)).rejects.toThrow('Unexpected end of data')
  const failing = Readable.from(
    (async function* () {
      yield whole.subarray(0, 3_000)
      throw new Error('lost')
    })(),
  )
  await expect(unpackInto(join(dir, 'to'), failing, signal)).rejects.toThrow('lost')
  const short = Readable.from(
    (async function* () {
      yield whole.subarray(0, 512 + 10_240)
      throw new Error('lost between two')
    })(),
  )
  await expect(unpackInto(join(dir, 'to'), short, signal)).rejects.toThrow('lost between two')
})

test('a file that cannot be read fails the archive', async () => {
  mkdirSync(join(dir, 'from'))
  const archive = packDirectory(join(dir, 'none'), signal)
  await expect(buffer(archive)).rejects.toThrow('ENOENT')
})
