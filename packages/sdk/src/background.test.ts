import { expect, test } from 'vitest'
import { WrennConflictError, WrennNotFoundError } from './index.js'
import { failure, scripted } from './testing/scripted.js'

const api = scripted()
const program = '/api/v1/capsules/cl-1/processes/exec-1'
const start = { type: 'start', id: 'exec-1', pid: 7, tag: 'web', offset: 4 }
const exit = { type: 'exit', exit_code: -1, duration_ms: 9 }
const lines = (...events: object[]) => ({ text: events.map((event) => JSON.stringify(event) + '\n').join('') })
const calls = () => api.seen.slice(1).map(({ method, url }) => `${method} ${url}`)
const started = { status: 202, json: { sandbox_id: 'cl-1', id: 'exec-1', cmd: 'x', pid: 7, tag: 'web' } }

test('a program in the background is written to, read from, waited for and killed', async () => {
  const { commands } = await api.capsule()
  api.replies = [started]
  const web = await commands.run('x', { background: true, tag: 'web', stdin: true })
  expect(api.lastJson()).toMatchObject({ background: true, tag: 'web', stdin: true })
  expect(web).toMatchObject({ id: 'exec-1', pid: 7, tag: 'web' })
  api.replies = [{ status: 204 }]
  await web.write('é')
  await web.endStdin()
  await web.kill('SIGINT')
  api.replies = [lines(start, exit)]
  expect(await web.wait()).toEqual({ exitCode: -1, durationMs: 9 })
  for await (const _ of web.output({ from: 4 }));
  expect(calls().slice(1)).toEqual([
    `POST ${program}/stdin`,
    `POST ${program}/stdin/end`,
    `DELETE ${program}?signal=SIGINT`,
    `GET ${program}/output?tail=0`,
    `GET ${program}/output?from=4`,
  ])
})

test('a program that somebody else started is found by its tag', async () => {
  const { commands } = await api.capsule()
  api.replies = [{ ...lines(start), then: 'open' }]
  const web = await commands.connect('web')
  expect(web).toMatchObject({ id: 'exec-1', pid: 7, tag: 'web' })
  api.replies = [failure(404, 'not_found')]
  await expect(commands.connect('none')).rejects.toBeInstanceOf(WrennNotFoundError)
})

test('leaving an attached program lets it run', async () => {
  const { commands } = await api.capsule()
  api.replies = [{ ...lines(start), then: 'open' }]
  for await (const event of commands.attach('web', { tail: 100 })) {
    expect(event).toEqual(start)
    break
  }
  expect(calls()).toEqual(['GET /api/v1/capsules/cl-1/processes/web/output?tail=100'])
})

test('what is typed while a request is under way goes together with the next, in order', async () => {
  const { commands } = await api.capsule()
  api.replies = [started]
  const web = await commands.start('x')
  api.replies = [{ status: 204 }]
  const first = web.write('a')
  const bytes = new TextEncoder().encode('b')
  // By now, the first is on its way.
  await new Promise<void>((resolve) => {
    api.answer = () => void resolve()
  })
  const rest = [web.write(bytes), web.write('c')]
  bytes.fill(0)
  const end = web.endStdin()
  await Promise.all([first, ...rest, end])
  expect(api.seen.slice(2).map(({ url, body }) => [url.replace(program, ''), body])).toEqual([
    ['/stdin', 'a'],
    ['/stdin', 'bc'],
    ['/stdin/end', ''],
  ])
})

test('a write that is refused is told to its writer alone', async () => {
  const { commands } = await api.capsule()
  api.replies = [started]
  const web = await commands.start('x')
  api.replies = [failure(409, 'conflict'), { status: 204 }]
  await expect(web.write('a')).rejects.toBeInstanceOf(WrennConflictError)
  await web.write('b')
  expect(api.seen.at(-1)!.body).toBe('b')
})
