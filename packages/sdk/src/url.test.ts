import { expect, test } from 'vitest'
import { WrennValidationError } from './index.js'
import { portUrl } from './url.js'

test.each([
  ['http://box.example:8080/api', undefined, 'http://3000-cl-1.box.example:8080'],
  ['https://capsules.example/api', undefined, 'https://3000-cl-1.capsules.example'],
  ['https://app.wrenn.dev/api', undefined, 'https://3000-cl-1.wrenn.dev'],
  ['https://capsules.example/api', 'ports.example:444', 'https://3000-cl-1.ports.example:444'],
  ['http://127.0.0.1:8080/api', undefined, 'http://3000-cl-1.localhost:8080'],
  ['http://[::1]:8080/api', undefined, 'http://3000-cl-1.localhost:8080'],
])('a port of a capsule of %s (domain %s) is at %s', (baseUrl, domain, url) => {
  expect(portUrl({ capsuleId: 'cl-1', port: 3000, baseUrl, domain })).toBe(url)
  expect(new URL(url).origin).toBe(url)
})

test.each([0, 65_536, 1.5, NaN])('%s is no port', (port) => {
  expect(() => portUrl({ capsuleId: 'cl-1', port, baseUrl: 'http://x' })).toThrow(WrennValidationError)
})
