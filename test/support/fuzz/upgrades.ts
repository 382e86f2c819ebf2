/** Handshakes and frames of WebSockets, and bytes of tunnels, right and wrong. */
import fc from 'fast-check'
import { bytes, hosts, oddHeaders, requestOf } from './heads.js'
import { CAPSULE, KEY } from './socket.js'

const targets = fc.constantFrom(
  ...[
    `/v1/capsules/${CAPSULE}/pty`,
    `/v1/capsules/${CAPSULE}/exec/stream`,
    `/v1/capsules/${CAPSULE}/processes/some/stream?from=x`,
    `/v1/capsules/${CAPSULE}/processes/some/stream`,
  ],
  ...[
    `/api/v1/capsules/${CAPSULE}/pty`,
    `/v1/capsules/${CAPSULE}/ports/8000/tunnel`,
    `/v1/capsules/${CAPSULE}/ports/9/tunnel`,
    `/v1/capsules/${CAPSULE}/ports/0/tunnel`,
  ],
  ...['/v1/events/stream', '/health', '/v1/capsules', '/v1/nothing'],
)

const frame = fc.record({
  first: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a) },
    fc.nat(255),
  ),
  payload: fc.oneof(
    { weight: 3, arbitrary: bytes(60) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        ...[
          '{"type":"start","cmd":"cat"}',
          '{"type":"start","cmd":"sh"}',
          '{"type":"start"}',
          '{"type":"stdin","data":"a"}',
          '{"type":"stdin_end"}',
          '{"type":"stop"}',
        ],
        ...[
          '{"type":"input","data":"aGVsbG8="}',
          '{"type":"input","data":"%"}',
          '{"type":"resize","cols":0,"rows":1e9}',
          '{"type":"kill"}',
          '{"type":"pong"}',
        ],
        ...[
          '{"type":"connect","tag":"x"}',
          `{"type":"auth","token":"${KEY}"}`,
          '{"type":"auth"}',
          '{"type":"__proto__"}',
          '{',
          'null',
          '[]',
          '"\\ud800"',
          '\xff\xfe',
          '',
        ],
        ...[
          '\x03\xe8',
          '\x03',
          '\x00\x00',
          '\xff\xff\xff',
          '['.repeat(60_000),
          `{"type":"start","cmd":"${'x'.repeat(5000)}"}`,
        ],
      ),
    },
  ),
  isMasked: fc.oneof({ weight: 12, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  /** A length that it claims instead of its own. */
  lie: fc.option(fc.constantFrom(0, 1, 126, 65_536, 2 ** 21, 2 ** 40), { nil: undefined, freq: 12 }),
})

function frameOf({ first, payload, isMasked, lie }: typeof frame extends fc.Arbitrary<infer T> ? T : never): string {
  const length = lie ?? payload.length
  const mask = isMasked ? 0x80 : 0
  const [code, width] = length < 126 ? [length, 0] : length < 65_536 ? [126, 2] : [127, 8]
  const extended = width === 0 ? '' : String.fromCharCode(...bigEndian(length, width))
  // Masked with zeros, which leaves the payload as it is: what stands in it for the key is found.
  return String.fromCharCode(first, code | mask) + extended + (isMasked ? '\0\0\0\0' : '') + payload
}

function bigEndian(value: number, width: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt(value))
  return buffer.subarray(8 - width)
}

const rightKey = `Sec-WebSocket-Key: ${Buffer.alloc(16, 'k').toString('base64')}`
const handshake = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constant(['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey]),
  },
  { weight: 2, arbitrary: fc.constant(['Connection: Upgrade', 'Upgrade: wrenn-tunnel']) },
  fc.constantFrom(
    ['Connection: Upgrade', 'Upgrade: websocket'],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: x'],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 7', rightKey],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey, 'Sec-WebSocket-Protocol: ,,'],
    [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      rightKey,
      'Sec-WebSocket-Protocol: a, a',
    ],
    [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      rightKey,
      'Sec-WebSocket-Extensions: x; =;',
    ],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey, rightKey],
    ['Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
    ['Connection: Upgrade', 'Upgrade: TLS/1.2, websocket'],
    ['Connection: Upgrade', 'Upgrade: \xff'],
    ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey, 'Content-Length: 5'],
    ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', rightKey, 'Transfer-Encoding: chunked'],
  ),
)

/** Requests for another protocol, and what comes behind them. */
export const upgrades = fc
  .record({
    method: fc.oneof({ weight: 9, arbitrary: fc.constant('GET') }, fc.constantFrom('POST', 'HEAD', 'CONNECT')),
    target: targets,
    host: fc.oneof({ weight: 8, arbitrary: fc.constant('Host: x') }, hosts),
    handshake,
    more: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, fc.array(oddHeaders, { maxLength: 1 })),
    frames: fc.oneof(
      fc.array(frame, { maxLength: 8 }).map((all) => all.map(frameOf).join('')),
      bytes(100),
    ),
  })
  .map(({ handshake: headers, more, frames, ...rest }) =>
    requestOf({ ...rest, headers: [...headers, ...more], body: frames }),
  )
