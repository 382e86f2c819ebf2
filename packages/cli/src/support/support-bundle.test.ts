import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { collect } from './collect.js'
import { isKnown } from './known-names.js'
import { serverLine, vmmLine } from './log-lines.js'
import type { Case, Part } from './part.js'
import { capsules } from './parts/capsules.js'
import { database } from './parts/database.js'
import { kinds } from './record-shapes.js'
import { redactor, withoutQuotes } from './redact.js'
import { shown } from './setting-names.js'
import { writeBundle } from './write.js'
import { settingNames } from '../up/settings.js'

const more = {
  operations: {},
  keysByScope: { run: 1 },
  answers: 0,
  damagedVersions: 0,
  names: ['payroll'],
  form: '001',
}
const lost = [{ id: 'cl-1', status: 'error', lastUpdated: 'then', reason: 'of payroll: "it" ended' }]
const facts = { counts: { capsules: {}, versions: {}, templates: 1, keys: 1 }, more: { ...more, lost } }
const about = (more: object = {}) => {
  const { signal } = new AbortController()
  const subject = { store: { state: 'sound', facts }, onProgress: () => {}, signal }
  return { subject, signal, showsNames: false, ...more } as unknown as Case
}
const same = (text: string) => text

test('a part that fails or takes too long leaves its reason, and the others are there', async () => {
  const parts: Part[] = [
    { name: 'broken', about: '', collect: () => Promise.reject(new Error('EIO')) },
    { name: 'slow', about: '', patienceMs: 10, collect: () => new Promise(() => {}) },
    { name: 'good', about: '', collect: async () => ({ entries: [{ name: 'a', content: 'b' }] }) },
  ]
  expect(await collect(about(), parts, same)).toEqual({
    entries: [{ name: 'a', content: 'b' }],
    leftOut: [
      { part: 'broken', why: 'all of it: EIO' },
      { part: 'slow', why: 'all of it: it took longer than 0.01 s' },
    ],
  })
})

test('files are cut at a mebibyte, and all of them together at ten', async () => {
  const entries = Array.from({ length: 12 }, (_, i) => ({ name: `${i}`, content: 'x'.repeat(1024 * 1024 + 1) }))
  const large: Part = { name: 'large', about: '', collect: async () => ({ entries }) }
  const collected = await collect(about(), [large], same)
  expect(collected.entries).toHaveLength(10)
  expect(collected.leftOut.at(-1)!.why).toContain('as large as it may be')
})

test('Ctrl-C ends it', async () => {
  const { signal } = { signal: AbortSignal.abort(new Error('Interrupted.')) }
  const subject = { ...about().subject, signal }
  await expect(collect({ ...about(), subject, signal }, [database], same)).rejects.toThrow('Interrupted.')
})

test('secrets are hidden in each form, and so is what looks like one', () => {
  const redact = redactor([Buffer.from('open sesame')])
  const hex = Buffer.from('open sesame').toString('hex')
  expect(redact(`a open sesame b ${hex} c b3BlbiBzZXNhbWU= d open%20sesame`)).toBe(
    'a [hidden] b [hidden] c [hidden]= d [hidden]',
  )
  expect(redact('wrn_0123456789abcdef Bearer abcdef http://me:pw@host/ password=x1, token: "y"')).toBe(
    '[hidden] Bearer [hidden] http://[hidden]@host/ password=[hidden], token: "[hidden]"',
  )
})

test('what is quoted is left out, and so are long words other than ids', () => {
  const id = `cl-${'0'.repeat(25)}`
  expect(withoutQuotes(`"a" isn't ${id} ${'x1'.repeat(12)} 'b'`)).toBe(`"…" isn't ${id} … "…"`)
})

test('lines of logs that are of no known form are left out, and of the others what may say anything', () => {
  expect(vmmLine('hello')).toBeUndefined()
  expect(vmmLine('qemu-system-x86_64: it "broke"')).toBe('qemu-system-x86_64: it "…"')
  expect(serverLine('hello')).toBeUndefined()
  const stack = 'Error: secret\n    at run (file:///x/run.js:1:2)\n    at secret'
  const line = { level: 50, time: 0, msg: 'm', capsule: 'secret', other: 'secret', err: { message: 'secret', stack } }
  expect(serverLine(JSON.stringify(line))).toMatch(/"msg":"m".*run\.js:1:2/)
  expect(serverLine(JSON.stringify(line))).not.toContain('secret')
})

test('of records only known fields in known forms are kept', () => {
  const kept = kinds.image.parse({ format: 1, id: 'secret', kernel: '6.1.0-56-cloud-amd64', more: 'secret' })
  expect(kept).toEqual({ format: 1, id: '(left out)', kernel: '6.1.0-56-cloud-amd64' })
})

test('names are known by their forms', () => {
  expect(['wrenn.db', 'disk-0.qcow2', '1x512-tcg-9ae16580ece8'].filter((name) => !isKnown(name))).toEqual([])
  expect(['wrenn.db.copy', 'payroll', 'disk-x.qcow2'].filter(isKnown)).toEqual([])
})

test('names of templates are given where that is asked for, else in no reason', async () => {
  const plain = [await database.collect(about()), await capsules.collect(about())]
  expect(JSON.stringify(plain)).not.toContain('payroll')
  const [entry] = (await database.collect(about({ showsNames: true }))).entries
  expect(entry!.content).toContain('payroll')
})

test('settings that are shown are settings, and none that may be secret', () => {
  expect(shown.filter((name) => !settingNames.includes(name))).toEqual([])
  expect(shown.filter((name) => /KEY|TOKEN|SECRET|CERT/.test(name))).toEqual([])
})

test('the file is for its owner alone, and one that is there is not written over', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wrenn-bundle-'))
  try {
    const file = join(dir, 'a.tar.gz')
    const bytes = await writeBundle(file, [{ name: 'a', content: 'b' }], 'folder')
    expect(await readFile(file)).toHaveLength(bytes)
    await expect(writeBundle(file, [], 'folder')).rejects.toThrow('EEXIST')
  } finally {
    await rm(dir, { recursive: true })
  }
})
