/** Bodies that are no use to anybody, well and badly delivered. */
import { routes, type Route } from '@wrenn/wire'
import fc from 'fast-check'
import { bytes, hosts, methods, oddHeaders, requestOf, targets } from './heads.js'
import { CAPSULE } from './socket.js'

const fields = [
  'template',
  'sandbox_id',
  'name',
  'cmd',
  'args',
  'path',
  'envs',
  'count',
  'cols',
  'network',
  '__proto__',
  'constructor',
  'toString',
  'tag',
]
const odd = [
  ...[
    '',
    '{',
    '[',
    '"',
    '{}{}',
    'nul',
    'NaN',
    '1e999',
    '-0',
    '1'.repeat(5000),
    '0.1e-99999',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '\xef\xbb\xbf{}',
  ],
  ...[
    '['.repeat(50_000),
    '{"a":'.repeat(50_000),
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    '"\xff\xfe"',
    '{"a":1,"a":2}',
    '{"__proto__":{"a":1}}',
  ],
  ...[
    '{"constructor":{"prototype":{"a":1}}}',
    'null',
    'true',
    '[]',
    '0',
    '""',
    '{"\\u0000":1}',
    `{"name":"${'x'.repeat(100_000)}"}`,
  ],
]
const valueOf = fc.oneof(
  fc.constantFrom(
    '1e999',
    '-1',
    '9007199254740993',
    '1e308',
    '"\\ud800"',
    '"\\u0000"',
    'null',
    '[]',
    '{}',
    '"echo"',
    '"minimal"',
    `"${CAPSULE}"`,
    '"/root"',
    '"/root/../.."',
  ),
  fc.json({ maxDepth: 4 }),
)
/** Objects with fields that mean something, as text, so that a name may come twice. */
const objects = fc
  .array(fc.tuple(fc.constantFrom(...fields), valueOf), { maxLength: 6 })
  .map((all) => `{${all.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`)
const form = (parts: string) => `--b\r\n${parts}\r\n--b--\r\n`
const forms = fc
  .array(
    fc.constantFrom(
      ...[
        'Content-Disposition: form-data; name="path"\r\n\r\n/root/a',
        'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\nx',
      ],
      ...[
        'Content-Disposition: form-data; name="path"\r\n\r\n\0',
        'Content-Disposition: form-data; name="__proto__"\r\n\r\nx',
        'Content-Disposition: x\r\n\r\nx',
      ],
      ...[
        '\r\nx',
        'X',
        'Content-Disposition: form-data; name="file"; filename="\xff"\r\nContent-Transfer-Encoding: base64\r\n\r\n===',
        '',
      ],
    ),
    { maxLength: 5 },
  )
  .map((parts) => form(parts.join('\r\n--b\r\n')))
const content = fc.oneof(fc.constantFrom(...odd), objects, forms, bytes(200))

const types = fc.constantFrom(
  ...[
    'application/json',
    'multipart/form-data; boundary=b',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'application/x-tar',
    'text/plain',
  ],
  ...[
    '',
    ';',
    'application/json; charset=utf-16',
    `multipart/form-data; boundary=${'b'.repeat(300)}`,
    '\xff',
    'application/x-www-form-urlencoded',
  ],
)

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
type Deliver = (text: string) => { headers: string[]; body: string }
/** How a body is delivered; most of them lie. */
const deliveries: Deliver[] = [
  (text) => ({ headers: [`Content-Length: ${text.length}`], body: text }),
  (text) => ({ headers: [`Content-Length: ${text.length}`], body: text }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: `${text === '' ? '' : chunk(text)}0\r\n\r\n` }),
  (text) => ({ headers: [`Content-Length: ${text.length + 10}`], body: text }),
  (text) => ({ headers: [`Content-Length: ${Math.max(0, text.length - 3)}`], body: text }),
  (text) => ({ headers: ['Content-Length: 2000000'], body: text }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: chunk(text) }),
  (text) => ({
    headers: ['Transfer-Encoding: chunked'],
    body: `${chunk(text)}0\r\nContent-Length: 5\r\nX-API-Key: x\r\n\r\n`,
  }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: `ffffffffffffffffff\r\n${text}` }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: `-5\r\n${text}\r\n0\r\n\r\n` }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: `5;${'x'.repeat(20_000)}\r\n${text}\r\n0\r\n\r\n` }),
  (text) => ({ headers: ['Transfer-Encoding: chunked'], body: `5\n${text}\n0\n\n` }),
  (text) => ({
    headers: ['Transfer-Encoding: chunked', 'Content-Length: 3'],
    body: `${chunk(text)}0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`,
  }),
  (text) => ({ headers: [`Content-Length: ${text.length}`, 'Expect: 100-continue'], body: text }),
  (text) => ({ headers: [`Content-Length: ${text.length}`, 'Content-Encoding: gzip'], body: text }),
  () => ({ headers: ['Content-Length: 1200000'], body: 'x'.repeat(1_200_000) }),
]

const taken = (Object.values(routes) as Route[])
  .filter(({ body }) => body)
  .map(({ method, path }) => ({
    method,
    target: path
      .replace('{id}', CAPSULE)
      .replace('{selector}', 'some')
      .replace('{name}', 'minimal')
      .replace(/write$/, '$&?path=/root/x'),
  }))

/** Requests whose body is what is wrong. */
export const bodied = fc
  .record({
    to: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...taken) }, fc.record({ method: methods, target: targets })),
    host: fc.oneof({ weight: 8, arbitrary: fc.constant('Host: x') }, hosts),
    type: types,
    text: content,
    deliver: fc.nat(deliveries.length - 1),
    more: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(oddHeaders, { maxLength: 2 })),
  })
  .map(({ to, host, type, text, deliver, more }) => {
    const { headers, body } = deliveries[deliver]!(text)
    return requestOf({ ...to, host, headers: [`Content-Type: ${type}`, ...headers, ...more], body })
  })
