import { expect, test } from 'vitest'
import { keyedDigest, seal, unseal } from './seal.js'

const secret = 'wrn_0123456789abcdef0123456789abcdef'
const use = 'test'
const bound = 'key-1\nfirst'
const text = '{"key":"wrn_secret","ä":"😀"}'

test('what was sealed opens again with the secret, for what it was sealed for', () => {
  for (const one of [text, '', 'x'.repeat(100_000)])
    expect(unseal(seal(one, { secret, use, bound }), { secret, use, bound })).toBe(one)
})

test('a secret may be bytes', () => {
  const bytes = Buffer.alloc(32, 7)
  expect(unseal(seal(text, { secret: bytes, use, bound }), { secret: bytes, use, bound })).toBe(text)
})

test('with anything else it does not', () => {
  const sealed = seal(text, { secret, use, bound })
  expect(() => unseal(sealed, { secret: `${secret}0`, use, bound })).toThrow()
  expect(() => unseal(sealed, { secret, use, bound: 'key-2\nfirst' })).toThrow()
  expect(() => unseal(sealed, { secret, use: 'another', bound })).toThrow()
  expect(() => unseal('', { secret, use, bound })).toThrow()
})

test('nor when a single byte was changed or left out', () => {
  const bytes = Buffer.from(seal(text, { secret, use, bound }), 'base64')
  for (let i = 0; i < bytes.length; i++) {
    const altered = Buffer.from(bytes)
    altered[i]! ^= 1
    expect(() => unseal(altered.toString('base64'), { secret, use, bound })).toThrow()
  }
  expect(() => unseal(bytes.subarray(0, -1).toString('base64'), { secret, use, bound })).toThrow()
})

test('the same text is sealed differently each time, and shows nothing of itself', () => {
  const [one, other] = [seal(text, { secret, use, bound }), seal(text, { secret, use, bound })]
  expect(one).not.toBe(other)
  expect(Buffer.from(one, 'base64').toString('latin1')).not.toContain('wrn_')
})

test('a digest tells texts apart, by where their parts end too, and differs from secret to secret', () => {
  const digest = (...parts: string[]) => keyedDigest(secret, parts)
  expect(digest('a', 'b')).toBe(digest('a', 'b'))
  expect(keyedDigest(secret, [Buffer.from('a')])).toBe(digest('a'))
  expect(new Set([digest('a', 'b'), digest('ab'), digest('ab', ''), digest('', 'ab'), digest('b', 'a')]).size).toBe(5)
  expect(keyedDigest('other', ['a', 'b'])).not.toBe(digest('a', 'b'))
})
