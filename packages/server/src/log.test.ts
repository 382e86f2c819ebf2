import { expect, test } from 'vitest'
import { makeLogger } from './log.js'

function logged(value: object): string {
  let text = ''
  makeLogger({ level: 'trace', to: { write: (line) => void (text += line) } }).trace(value, 'a message')
  return text
}

test.each([
  { key: 'hidden' },
  { envs: { A: 'hidden' } },
  { 'x-api-key': 'hidden' },
  { spec: { envs: { A: 'hidden' }, cmd: 'shown' } },
  { headers: { 'x-api-key': 'hidden', cookie: 'hidden', accept: 'shown' } },
  { request: { headers: { authorization: 'hidden' } } },
  { err: Object.assign(new Error('shown'), { spec: { envs: 'hidden' }, apiKey: 'hidden' }) },
])('what is secret in what is logged is left out: %j', (value) => {
  const text = logged(value)
  expect(text).toContain('[secret]')
  expect(text).toContain('a message')
  expect(text).not.toContain('hidden')
  expect(text.includes('shown')).toBe(JSON.stringify(value).includes('shown') || 'err' in value)
})
