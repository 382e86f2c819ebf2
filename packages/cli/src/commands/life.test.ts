import { expect, test } from 'vitest'
import { capsuleBody } from '../testing/bodies.js'
import { refusal, scripted } from '../testing/scripted.js'

const api = scripted()

test.each([[[]], [['capsule']]])('a capsule is paused and resumed (%j)', async (prefix) => {
  api.script = {
    'POST /v1/capsules/cl-1/pause': { json: capsuleBody({ status: 'paused' }) },
    'POST /v1/capsules/cl-1/resume': { json: capsuleBody() },
  }
  expect(await api.wrenn([...prefix, 'pause', 'cl-1'])).toEqual({ code: 0, out: 'cl-1  paused\n', err: '' })
  const { code, out } = await api.wrenn([...prefix, 'resume', 'cl-1', '--json'])
  expect([code, JSON.parse(out)]).toEqual([0, capsuleBody()])
})

test('a capsule that does not run is not paused, and that is said', async () => {
  api.script = { 'POST /v1/capsules/cl-1/pause': refusal(409, 'invalid_state', 'The capsule is paused.') }
  expect(await api.wrenn(['pause', 'cl-1'])).toEqual({
    code: 1,
    out: '',
    err: 'error: The capsule is paused. (invalid_state, req-1)\n',
  })
})

test('a fork prints the ids of its capsules', async () => {
  api.script = {
    'POST /v1/capsules/cl-1/fork': { status: 201, json: [capsuleBody({ id: 'cl-2' }), capsuleBody({ id: 'cl-3' })] },
  }
  const argv = ['fork', 'cl-1', '-n', '2', '--idempotency-key', 'job-7']
  expect(await api.wrenn(argv)).toEqual({ code: 0, out: 'cl-2\ncl-3\n', err: '' })
  expect(api.asked[0]).toMatchObject({ json: { count: 2 }, headers: { 'idempotency-key': 'job-7' } })
  await api.wrenn(['capsule', 'fork', 'cl-1'])
  expect(api.asked[1]).toMatchObject({ json: { count: 1 } })
})

test('what of a fork did not start is said on stderr, and the others are printed', async () => {
  const forks = [capsuleBody({ id: 'cl-2', status: 'error', reason: 'No memory.' }), capsuleBody({ id: 'cl-3' })]
  api.script = { 'POST /v1/capsules/cl-1/fork': { status: 201, json: forks } }
  expect(await api.wrenn(['fork', 'cl-1', '-n', '2'])).toEqual({
    code: 1,
    out: 'cl-3\n',
    err: 'error: cl-2 did not start: No memory.\n',
  })
  const { code, out } = await api.wrenn(['fork', 'cl-1', '-n', '2', '--json'])
  expect([code, (JSON.parse(out) as { id: string }[]).map(({ id }) => id)]).toEqual([1, ['cl-3', 'cl-2']])
})

test('a fork that captured nothing is an error', async () => {
  api.script = { 'POST /v1/capsules/cl-1/fork': refusal(507, 'insufficient_storage', 'The disk is full.') }
  expect(await api.wrenn(['fork', 'cl-1'])).toMatchObject({ code: 1, out: '' })
})

test('words that make no sense end with 2', async () => {
  const { code, err } = await api.wrenn(['fork', 'cl-1', '-n', 'two'])
  expect([code, err]).toEqual([2, expect.stringContaining('It must be a whole number.')])
  expect((await api.wrenn(['pause'])).code).toBe(2)
  expect(api.asked).toEqual([])
})
