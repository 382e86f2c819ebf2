import { expect, test } from 'vitest'
import type { Pty } from './index.js'
import { scripted } from './testing/scripted.js'

const api = scripted()
const program = '/api/v1/capsules/cl-1/processes/exec-1'
const started = { status: 202, json: { sandbox_id: 'cl-1', id: 'exec-1', cmd: 'x', pid: 7, tag: 'pty-1' } }
const start = (offset = 0) => ({ type: 'start', id: 'exec-1', pid: 7, tag: 'pty-1', offset })
const out = (data: string, offset: number) => ({ type: 'stdout', data, encoding: 'utf-8', offset })
const exit = { type: 'exit', exit_code: 3, duration_ms: 9 }
const lines = (...events: object[]) => ({ text: events.map((event) => JSON.stringify(event) + '\n').join('') })
const calls = () => api.seen.slice(1).map(({ method, url }) => `${method} ${url}`)

async function textOf(pty: Pty): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of pty) text += decoder.decode(bytes, { stream: true })
  return text
}

test('a terminal is a shell of 80 by 24 unless something else is wanted', async () => {
  const capsule = await api.capsule()
  api.replies = [started]
  const pty = await capsule.pty()
  expect(api.lastJson()).toEqual({ cmd: '/bin/bash', args: [], background: true, pty: { cols: 80, rows: 24 } })
  expect(pty).toMatchObject({ id: 'exec-1', pid: 7, tag: 'pty-1' })
  await capsule.pty({ cmd: 'vi', args: ['a'], cols: 100, rows: 50, envs: { A: 'b' }, cwd: '/', tag: 'mine' })
  expect(api.lastJson()).toMatchObject({ cmd: 'vi', args: ['a'], pty: { cols: 100, rows: 50 }, tag: 'mine', cwd: '/' })
})

test('it tells what is printed, over lost connections, and how it ended', async () => {
  const capsule = await api.capsule()
  api.replies = [started]
  const pty = await capsule.pty()
  api.replies = [{ ...lines(start(), out('é', 2)), then: 'cut' }, lines(start(2), out('b', 3), exit)]
  expect(await textOf(pty)).toBe('éb')
  expect(await pty.exitCode).toBe(3)
  expect(calls().slice(1)).toEqual([`GET ${program}/output?from=0`, `GET ${program}/output?from=2`])
})

test('its exit code can be waited for without reading', async () => {
  const capsule = await api.capsule()
  api.replies = [started]
  const pty = await capsule.pty()
  api.replies = [lines(start(), exit)]
  expect(await pty.exitCode).toBe(3)
})

test('leaving the loop leaves it running, and the next loop goes on from there', async () => {
  const capsule = await api.capsule()
  api.replies = [{ ...lines(start()), then: 'open' }]
  const pty = await capsule.ptyConnect('pty-1', { tail: 100 })
  api.replies = [{ ...lines(start(), out('ab', 2)), then: 'open' }]
  for await (const _ of pty) break
  api.replies = [lines(start(2), out('c', 3), exit)]
  expect(await textOf(pty)).toBe('c')
  expect(calls()).toEqual([
    'GET /api/v1/capsules/cl-1/processes/pty-1/output?tail=0',
    `GET ${program}/output?tail=100`,
    `GET ${program}/output?from=2`,
  ])
})

test('it is typed into, resized and killed', async () => {
  const capsule = await api.capsule()
  api.replies = [started]
  const pty = await capsule.pty()
  api.replies = [{ status: 204 }]
  await Promise.all([pty.write('l'), pty.write('s\n')])
  expect(api.seen.at(-1)!.body).toBe('ls\n')
  await pty.resize({ cols: 90, rows: 30 })
  expect(api.lastJson()).toEqual({ cols: 90, rows: 30 })
  await pty.kill()
  expect(calls().slice(1)).toEqual([
    `POST ${program}/stdin`,
    `POST ${program}/resize`,
    `DELETE ${program}?signal=SIGKILL`,
  ])
})
