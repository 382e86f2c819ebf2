/**
 * Ids: a prefix that says what the thing is, and 25 characters of zero-padded lower-case base36 of a random 128-bit
 * value (36^25 > 2^128, so every value fits).
 */
import { z } from 'zod'

/** Every kind of id and its prefix. */
export const idPrefixes = {
  capsule: 'cl-',
  team: 'team-',
  key: 'key-',
  user: 'usr-',
  host: 'ch-',
  build: 'bld-',
  log: 'log-',
  /** A stored capture; internal, never on the public API. */
  snapshot: 'snap-',
} as const

export type IdKind = keyof typeof idPrefixes

const DIGITS = 25
const BITS = 128
const body = `[0-9a-z]{${DIGITS}}`

/** Makes a new random id of the given kind. */
export function newId(kind: IdKind): string {
  const bytes = crypto.getRandomValues(new Uint8Array(BITS / 8))
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return idPrefixes[kind] + value.toString(36).padStart(DIGITS, '0')
}

/** The schema of an id of one kind: anything of another form is `invalid_request`. */
export function idSchema(kind: IdKind) {
  const prefix = idPrefixes[kind]
  return z
    .string()
    .regex(
      new RegExp(`^${prefix}${body}$`),
      `must be a ${kind} id: "${prefix}" and ${DIGITS} characters of 0-9 and a-z`,
    )
    .meta({ examples: [prefix + '0'.repeat(DIGITS - 1) + '1'] })
}

/** `n` random bytes as lower-case hex digits; for generated names, tags and keys. */
export function randomHex(n: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(n)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
