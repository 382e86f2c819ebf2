import { expect, test } from 'vitest'
import { Escape } from './escape.js'

test.each([
  ['ls\r', 'ls\r', false],
  ['~.', '', true],
  ['ls\r~.rest', 'ls\r', true],
  ['ls\n~.', 'ls\n', true],
  ['a~.', 'a~.', false],
  ['~~.', '~.', false],
  ['~~~.\r~.', '~~.\r', true],
  ['~a~.', '~a~.', false],
  ['~\r~.', '~\r', true],
  ['é~.', 'é~.', false],
])('of %j, %j is sent; it is the escape: %s', (typed, send, escaped) => {
  const bytes = Buffer.from(typed)
  const whole = new Escape().take(bytes)
  expect([Buffer.from(whole.send).toString(), whole.escaped]).toEqual([send, escaped])
  // It is the same key by key.
  const escape = new Escape()
  const sent: number[] = []
  let found = false
  for (const byte of bytes) {
    const one = escape.take(Uint8Array.of(byte))
    sent.push(...one.send)
    if ((found = one.escaped)) break
  }
  expect([Buffer.from(sent).toString(), found]).toEqual([send, escaped])
})
