import { expect, test } from 'vitest'
import { capsuleBody, templateBody, versionBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()
const source = { 'GET /v1/capsules/cl-1': { json: capsuleBody() } }

test('a capsule is captured, kept, and its versions are ruled', async () => {
  api.script = { ...source, 'POST /v1/snapshots?overwrite=true': { status: 201, json: templateBody({ version: 2 }) } }
  const rules = ['--keep-versions', '5', '--expires-in', '30d', '--idempotency-key', 'job-7']
  const ended = await api.wrenn(['snapshot', 'create', 'cl-1', '-n', 'trained', '--overwrite', '--keep', ...rules])
  expect(ended).toEqual({ code: 0, out: 'trained  (version 2, 2.0 MiB)\n', err: '' })
  expect(api.asked[1]!.json).toEqual({
    sandbox_id: 'cl-1',
    name: 'trained',
    keep_source: true,
    keep_versions: 5,
    expires_in: 2_592_000,
  })
  expect(api.asked[1]!.headers['idempotency-key']).toBe('job-7')
})

test('--keep-source is --keep, and is not shown', async () => {
  api.script = { ...source, 'POST /v1/snapshots': { status: 201, json: templateBody() } }
  await api.wrenn(['snapshot', 'create', 'cl-1', '--keep-source'])
  await api.wrenn(['snapshot', 'create', 'cl-1'])
  expect([api.asked[1]!.json, api.asked[3]!.json]).toEqual([
    { sandbox_id: 'cl-1', keep_source: true },
    { sandbox_id: 'cl-1', keep_source: false },
  ])
  const { code, out } = await api.wrenn(['snapshot', 'create', '--help'])
  expect([code, out.includes('--keep '), out.includes('--keep-source')]).toEqual([0, true, false])
})

test('a template is shown with what is its own and what it shares, one version of it too', async () => {
  api.script = {
    'GET /v1/snapshots/trained': { json: templateBody({ shared_bytes: 300 * 2 ** 20, unique_bytes: 7 * 2 ** 20 }) },
    'GET /v1/snapshots/trained/versions': { json: [versionBody(2, { current: true }), versionBody(1)] },
  }
  const { out } = await api.wrenn(['snapshot', 'show', 'trained'])
  expect(out).toMatch(/^shared_bytes +300 MiB$/m)
  expect(out).toMatch(/^unique_bytes +7\.0 MiB$/m)
  expect((await api.wrenn(['snapshot', 'show', 'trained@1'])).out).toMatch(/^version +1$/m)
  expect(await api.wrenn(['snapshot', 'show', 'trained@9'])).toEqual({
    code: 1,
    out: '',
    err: 'error: There is no version 9 of trained; wrenn snapshot history trained lists them.\n',
  })
})

test('the list says which templates are damaged', async () => {
  const list = [templateBody(), templateBody({ name: 'broken', damage: 'the disk is gone' })]
  api.script = { 'GET /v1/snapshots': { json: list } }
  const { code, out } = await api.wrenn(['snapshot', 'list'])
  expect([code, out.split('\n').filter((line) => line.endsWith('damaged'))]).toEqual([
    0,
    [expect.stringMatching(/^broken /)],
  ])
})

test('templates and single versions are deleted', async () => {
  api.script = {
    'DELETE /v1/snapshots/trained': { status: 204 },
    'DELETE /v1/snapshots/tuned/versions/3': { status: 204 },
    'DELETE /v1/snapshots/tuned/versions/4': refusal(409, 'conflict', 'Version 4 is what the name means.'),
  }
  expect(await api.wrenn(['snapshot', 'delete', 'trained', 'tuned@3'])).toEqual({ code: 0, out: '', err: '' })
  expect(api.calls()).toEqual(['DELETE /v1/snapshots/trained', 'DELETE /v1/snapshots/tuned/versions/3'])
  expect(await api.wrenn(['snapshot', 'rm', 'tuned@4'])).toMatchObject({
    code: 1,
    err: 'error: Version 4 is what the name means. (conflict, req-1)\n',
  })
})
