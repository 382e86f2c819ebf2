import { PassThrough, Readable } from 'node:stream'
import { Command } from 'commander'
import { expect, test } from 'vitest'
import { contextOf } from './context.js'

function baseUrl(env: NodeJS.ProcessEnv): string {
  const [stdin, stdout, stderr] = [Readable.from([]), new PassThrough(), new PassThrough()]
  const { signal } = new AbortController()
  return contextOf(new Command(), { env: { HOME: '/none', ...env }, stdin, stdout, stderr, signal }).api.baseUrl
}

test('the server on this machine is asked where its settings say, over TLS where it has a certificate', () => {
  expect(baseUrl({})).toBe('http://127.0.0.1:8080/api')
  expect(baseUrl({ WRENN_LISTEN: '127.0.0.1:9000' })).toBe('http://127.0.0.1:9000/api')
  expect(baseUrl({ WRENN_LISTEN: '[::1]:443', WRENN_TLS_CERT: '/c' })).toBe('https://[::1]:443/api')
  expect(baseUrl({ WRENN_BASE_URL: 'https://wrenn.example/api/', WRENN_TLS_CERT: '/c' })).toBe(
    'https://wrenn.example/api',
  )
})
