/** Request lines and headers, right and wrong; characters are bytes. */
import { routes, type Route } from '@wrenn/wire'
import fc from 'fast-check'
import { CAPSULE, KEY } from './socket.js'

/** Well-formed ids of nothing; always the same, so that a seed repeats a run. */
const NO_KEY = `key-${'none'.padStart(25, '0')}`
const NO_CAPSULE = `cl-${'none'.padStart(25, '0')}`

export interface Request {
  line?: string
  method?: string
  target?: string
  /** Besides Host and the key. */
  headers?: readonly string[]
  host?: string
  body?: string
  /** What ends a line. */
  newline?: string
}

/** A request as it is sent. Everything in it may be wrong. */
export function requestOf(of: Request): string {
  const { method = 'GET', target = '/health', host = 'Host: x', headers = [], body = '', newline = '\r\n' } = of
  const line = of.line ?? `${method} ${target} HTTP/1.1`
  return [line, host, `X-API-Key: ${KEY}`, ...headers, '', body].join(newline)
}

const paths = (Object.values(routes) as Route[]).map(({ path }) =>
  path
    .replace('{id}', path.includes('api-keys') ? NO_KEY : CAPSULE)
    .replace('{selector}', 'some')
    .replace('{name}', 'minimal')
    .replace('{version}', '1')
    .replace('{port}', '8000'),
)

/** Any bytes. */
export const bytes = (maxLength: number) =>
  fc.array(fc.nat(255), { maxLength }).map((all) => String.fromCharCode(...all))
const tricks = [
  ...[
    '%',
    '%0',
    '%00',
    '%2e%2e/',
    '%2F',
    '%c0%ae',
    '%ff',
    '%u0041',
    '..',
    '/../',
    '//',
    '\\',
    ';',
    '?',
    '#',
    '\0',
    ' ',
    '\t',
  ],
  ...[
    '?a=%00',
    '?range=%ff',
    '?range=5m&range=1h',
    '?__proto__=1',
    '?a[b]=c',
    `?${'a&'.repeat(2000)}`,
    '@x',
    '%0d%0aX: y',
  ],
]
const path = fc.constantFrom(...paths, ...paths.map((one) => `/api${one}`), '/openapi.json', '/docs', '/metrics', '/')
export const targets = fc.oneof(
  { weight: 3, arbitrary: path },
  fc
    .tuple(path, fc.constantFrom(...tricks), fc.nat(60))
    .map(([of, trick, at]) => of.slice(0, at) + trick + of.slice(at)),
  fc.tuple(path, bytes(20)).map(([of, more]) => of + more),
  fc.constantFrom(
    '*',
    '',
    'x',
    'http://x/health',
    `http://${CAPSULE}/v1/capsules`,
    'https://u:p@x/health',
    '//x/health',
    'x:443',
  ),
  fc.constantFrom(
    'http://',
    'http://[',
    'http://[::1',
    'file:///etc/passwd',
    `/${'a'.repeat(17_000)}`,
    `/${'../'.repeat(500)}`,
  ),
)
export const methods = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH') },
  fc.constantFrom(
    'TRACE',
    'CONNECT',
    'QUERY',
    'PRI',
    'get',
    'G',
    '',
    'PURGE',
    'M-SEARCH',
    'SOURCE',
    'LOCK',
    '__proto__',
  ),
)
const lines = fc.oneof(
  fc
    .tuple(methods, targets, fc.constantFrom('1.1', '1.0', '0.9', '2.0', '1.9', '11', ''))
    .map(([m, t, v]) => `${m} ${t} HTTP/${v}`),
  fc.constantFrom(
    'PRI * HTTP/2.0',
    'GET /health',
    'GET  /health  HTTP/1.1',
    'GET\t/health\tHTTP/1.1',
    '\r\n\r\nGET / HTTP/1.1',
    '\x16\x03\x01',
  ),
  bytes(40),
)
export const hosts = fc.oneof(
  { weight: 6, arbitrary: fc.constant('Host: x') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(`Host: 8000-${CAPSULE}.localhost`, `Host: 9-${CAPSULE}.x`, `Host: 80-${NO_CAPSULE}.x`),
  },
  fc.constantFrom(
    'Host:',
    'Host: a\r\nHost: b',
    'X: y',
    'Host: x:99999',
    'Host: [',
    `Host: 0-${CAPSULE}.x`,
    'Host: \xff',
    'Host : x',
  ),
)
export const oddHeaders = fc.oneof(
  fc.constantFrom(
    ...[
      'Content-Length: 5',
      'Content-Length: 5\r\nContent-Length: 6',
      'Content-Length: +5',
      'Content-Length: -1',
      'Content-Length: 5, 5',
    ],
    ...[
      'Content-Length: 99999999999999999999',
      'Content-Length: 0x5',
      'Content-Length: ',
      'Content-Length : 5',
      'Content-Length: 5 5',
    ],
    ...[
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: chunked\r\nContent-Length: 5',
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding: gzip, chunked',
    ],
    ...[
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding:\x0bchunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    ],
    ...[
      'X: a\r\n b',
      'X: a\r\n\tb',
      ' X: a',
      'X',
      ': a',
      'X : a',
      'X: a\nY: b',
      'X: a\rY: b',
      'X: \0',
      'X: \x7f',
      'X: \xff\xfe',
      '\0: x',
    ],
    ...[
      'Expect: 100-continue',
      'Expect: 200-ok',
      'Connection: close',
      'Connection: keep-alive, X-API-Key',
      'Connection: upgrade',
      'Upgrade: h2c',
    ],
    ...[
      'Idempotency-Key: ',
      `Idempotency-Key: ${'k'.repeat(300)}`,
      'Idempotency-Key: a\r\nIdempotency-Key: b',
      'Last-Event-ID: x',
      'Last-Event-ID: -1',
    ],
    ...[
      'Accept: application/x-ndjson',
      'Accept: ;;,',
      'Accept-Encoding: br;q=2',
      'Range: bytes=0-0',
      'Range: bytes=9-1',
      'If-None-Match: *',
    ],
    ...[
      'X-API-Key: wrn_x',
      'X-API-Key: \xff',
      'X-HTTP-Method-Override: DELETE',
      'X-Forwarded-For: \0',
      'Forwarded: for=',
      'Origin: null',
    ],
    ...[
      'Trailer: Content-Length',
      'TE: trailers',
      'Proxy-Connection: x',
      'Max-Forwards: 0',
      'Authorization: Basic \xff',
      'Cookie: a=b; c',
      '__proto__: x',
    ],
    ...[
      `X: ${'x'.repeat(17_000)}`,
      'X: y\r\n'.repeat(250).trimEnd(),
      'constructor: x',
      'Content-Type: x',
      'Content-Type: ;',
      'Content-Encoding: gzip',
    ],
  ),
  bytes(40),
)

/** Requests whose head is what is wrong. */
export const heads = fc
  .record({
    line: lines,
    host: hosts,
    headers: fc.array(oddHeaders, { maxLength: 4 }),
    body: fc.oneof(fc.constant(''), fc.constant('hello'), fc.constant('5\r\nhello\r\n0\r\n\r\n'), bytes(30)),
    newline: fc.oneof({ weight: 6, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\n ')),
  })
  .map(requestOf)
