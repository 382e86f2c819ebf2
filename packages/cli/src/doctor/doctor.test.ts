import { readFile } from 'node:fs/promises'
import { failure, ok, skipped, warning, type Outcome } from '@wrenn/host/doctor'
import { expect, test } from 'vitest'
import { examine, exitCodeOf, summarise } from './examine.js'
import { reportSchema } from './shape.js'
import { show } from './show.js'
import { checkAgent, checkListen, checkSettings } from './settings.js'
import { checkStore, withReferred } from './store.js'
import type { Subject } from './subject.js'
import { checks, type Check } from './table.js'
import { readSettings, SettingsError } from '../up/settings.js'

const subject = {
  dataDir: '/nowhere',
  store: { state: 'absent' },
  signal: new AbortController().signal,
  onProgress: () => {},
} as unknown as Subject
const check = (number: string, run: () => Outcome): Check => ({ number, title: `check ${number}`, run })

test('numbers are unique and rise, and the docs explain each with its title, and no other', async () => {
  const numbers = checks.map(({ number }) => number)
  expect(numbers).toEqual([...new Set(numbers)].sort())
  const docs = await readFile(new URL('../../../../docs/doctor.md', import.meta.url), 'utf8')
  const rows = [...docs.matchAll(/^\| (W\d{3}) \| ([^|]+) \|/gm)].map(([, number, title]) => `${number} ${title}`)
  expect(rows).toEqual(checks.map(({ number, title }) => `${number} ${title}`))
})

test('a check that fails itself is a finding, and the others are made', async () => {
  const broken = check('W901', () => {
    throw new Error('EIO: it broke')
  })
  const findings = await examine(subject, [broken, check('W902', () => ok('fine'))])
  expect(findings.map(({ number, status }) => `${number} ${status}`)).toEqual(['W901 error', 'W902 ok'])
  expect(findings[0]!.text).toContain('it broke')
})

test('Ctrl-C ends it', async () => {
  const interrupted = new AbortController()
  const all = [
    check('W901', () => (interrupted.abort(new Error('Interrupted.')), ok('fine'))),
    check('W902', () => ok('never')),
  ]
  await expect(examine({ ...subject, signal: interrupted.signal }, all)).rejects.toThrow('Interrupted.')
})

const findings = [
  { number: 'W901', title: 'one', ...ok('fine') },
  {
    number: 'W902',
    title: 'two',
    ...warning('so so', { fix: 'Do this.', items: Array.from({ length: 25 }, (_, i) => `thing ${i}`) }),
  },
  { number: 'W903', title: 'three', ...failure('broken', { fix: 'Do that.' }) },
  { number: 'W904', title: 'four', ...skipped('not now') },
]

test('the exit code tells errors, and warnings where they count', () => {
  expect(summarise(findings)).toEqual({ ok: 1, warning: 1, error: 1, skipped: 1 })
  const code = (error: number, warning: number, isStrict: boolean) =>
    exitCodeOf({ ok: 1, skipped: 1, error, warning }, isStrict)
  expect([code(1, 1, false), code(0, 1, false), code(0, 1, true), code(0, 0, true), code(1, 0, true)]).toEqual([
    2, 0, 1, 0, 2,
  ])
})

test('people see a table, advice for what is not good, and one line at the end', () => {
  const report = {
    version: '1',
    data_dir: '/d',
    serving: false,
    summary: summarise(findings),
    findings,
    fixed: ['x: removed'],
  }
  expect(reportSchema.strict().parse(report)).toEqual(report)
  const text = show(report, false)
  expect(text).toMatch(/^NUMBER +CHECK +FINDING\nW901 +one +ok +fine\n/)
  expect(text).toContain('W902 two: Do this.\n  thing 0\n')
  expect(text).toContain('  thing 19\n  and 5 more\n')
  expect(text).not.toContain('W904 four:')
  expect(text).toContain('Put right:\n  x: removed')
  expect(text).toContain('wrenn support-bundle')
  expect(text).toMatch(/\n1 error, 1 warning, 1 ok, 1 skipped\.$/)
})

test('settings that are wrong are named, and what depends on them is skipped', async () => {
  const settings = new SettingsError(['WRENN_LISTEN: must be an address'])
  expect(checkSettings({ settings })).toMatchObject({ status: 'error', items: ['WRENN_LISTEN: must be an address'] })
  expect([await checkAgent({ settings }), await checkListen({ settings })].map(({ status }) => status)).toEqual([
    'skipped',
    'skipped',
  ])
  const good = readSettings({ WRENN_AGENT: '/nowhere/agent', WRENN_LISTEN: '127.0.0.1:0' })
  expect(checkSettings({ settings: good }).status).toBe('ok')
  expect(await checkAgent({ settings: good })).toMatchObject({ status: 'error' })
  expect(await checkListen({ settings: good })).toMatchObject({ status: 'ok' })
})

test.each([
  ['absent', 'skipped', 'ok'],
  ['in use', 'skipped', 'skipped'],
  ['older', 'warning', 'skipped'],
  ['newer', 'error', 'skipped'],
  ['damaged', 'error', 'skipped'],
])('a database that is %s', async (state, status, other) => {
  const store = { state, problems: ['row 7 is missing'] } as Subject['store']
  expect(checkStore({ store }).status).toBe(status)
  expect((await withReferred({ store }, async () => ok('none'))).status).toBe(other)
})
