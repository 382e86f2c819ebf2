import { beforeEach, expect, test } from 'vitest'
import { templateBody, versionBody } from '../testing/bodies.js'
import { refusal, scripted, type Reply } from '../testing/scripted.js'

const api = scripted()
const deletion = (version: number) => `DELETE /v1/snapshots/trained/versions/${version}`
const deletions = () => api.calls().filter((call) => call.startsWith('DELETE'))

beforeEach(() => {
  const used = new Date().toISOString()
  api.script = {
    'GET /v1/snapshots?type=snapshot': { json: [templateBody({ version: 3 })] },
    'GET /v1/snapshots/trained/versions': {
      json: [
        versionBody(3, { current: true }),
        versionBody(2, { unique_bytes: 2 ** 20, last_used_at: used }),
        versionBody(1, { created_at: '2020-01-01T00:00:00.000Z' }),
      ],
    },
    ...Object.fromEntries([1, 2].map((version): [string, Reply] => [deletion(version), { status: 204 }])),
  }
})

test('a dry run shows what would go and what that frees, and deletes nothing', async () => {
  const { code, out, err } = await api.wrenn(['prune', '--dry-run'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^NAME +VERSION +FREES +UNUSED FOR\ntrained +1 +up to 2\.0 MiB .*\ntrained +2 +1\.0 MiB .*\n/)
  expect(out).toMatch(/\n2 versions \(about 3\.0 MiB\) would be deleted\.\n$/)
  expect(deletions()).toEqual([])
})

test('without a terminal nobody is asked', async () => {
  const { code, out } = await api.wrenn(['prune'])
  expect([code, out.endsWith('2 versions (about 3.0 MiB) deleted.\n')]).toEqual([0, true])
  expect(deletions()).toEqual([deletion(1), deletion(2)])
})

test('at a terminal a person is asked, unless --yes is given', async () => {
  const questions: string[] = []
  const ask = (answer: boolean) => async (question: string) => {
    questions.push(question)
    return answer
  }
  const refused = await api.wrenn(['prune'], { ask: ask(false) })
  expect([refused.code, refused.out.endsWith('Nothing was deleted.\n'), deletions()]).toEqual([0, true, []])
  await api.wrenn(['prune', '--keep', '2'], { ask: ask(true) })
  await api.wrenn(['prune', '--unused-for', '30d', '--yes'], { ask: ask(false) })
  expect(deletions()).toEqual([deletion(1), deletion(1)])
  expect(questions).toEqual(['Delete 2 versions (about 3.0 MiB)?', 'Delete 1 version (about 2.0 MiB)?'])
})

test('one that cannot be deleted does not stop the rest; one that is gone already is fine', async () => {
  api.script[deletion(1)] = refusal(409, 'conflict', 'The name means it now.')
  api.script[deletion(2)] = refusal(404, 'not_found', 'There is none.')
  const { code, out, err } = await api.wrenn(['prune', '--json'])
  expect([code, err]).toEqual([1, 'error: trained@1: The name means it now. (conflict)\n'])
  expect(JSON.parse(out)).toMatchObject([
    { name: 'trained', version: 1, frees_bytes: 2 * 2 ** 20, deleted: false, error: 'The name means it now.' },
    { name: 'trained', version: 2, frees_bytes: 2 ** 20, deleted: true },
  ])
})

test('with --json at a terminal, the plan goes to the person and the result to the program', async () => {
  const { out, err } = await api.wrenn(['prune', '--json'], { ask: async () => false })
  expect(err).toMatch(/^NAME +VERSION/)
  expect((JSON.parse(out) as { deleted: boolean }[]).map(({ deleted }) => deleted)).toEqual([false, false])
})

test('where there is nothing to prune, that is said', async () => {
  expect(await api.wrenn(['prune', '--keep', '3'])).toEqual({ code: 0, out: 'There is nothing to prune.\n', err: '' })
  expect((await api.wrenn(['prune', '--keep', '3', '--json'])).out).toBe('[]\n')
})
