/** What only the bearer of a secret can open again, or tell from another. The secret itself is kept nowhere. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const SALT_BYTES = 16
const IV_BYTES = 12
const TAG_BYTES = 16

interface Sealing {
  secret: string | Uint8Array
  /** What it is sealed as: one secret has a key of its own for each use. */
  use: string
  /** What it belongs to: under anything else it does not open. */
  bound: string
}

/** Encrypts `text`, under a key of its own. */
export function seal(text: string, { secret, use, bound }: Sealing): string {
  const salt = randomBytes(SALT_BYTES)
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, derive(secret, salt, use), iv).setAAD(Buffer.from(bound))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([salt, iv, cipher.getAuthTag(), sealed]).toString('base64')
}

/** @throws when it was sealed with another secret, for something else, or was altered */
export function unseal(sealed: string, { secret, use, bound }: Sealing): string {
  const bytes = Buffer.from(sealed, 'base64')
  let at = 0
  const next = (length: number) => bytes.subarray(at, (at += length))
  const [salt, iv, tag] = [next(SALT_BYTES), next(IV_BYTES), next(TAG_BYTES)]
  const decipher = createDecipheriv(CIPHER, derive(secret, salt, use), iv, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(tag).setAAD(Buffer.from(bound))
  return Buffer.concat([decipher.update(bytes.subarray(at)), decipher.final()]).toString('utf8')
}

/** A digest by which whoever has the secret, and nobody else, can tell whether two texts are the same. */
export function keyedDigest(secret: string, parts: readonly (string | Uint8Array)[]): string {
  const hmac = createHmac('sha256', derive(secret, Buffer.alloc(0), 'idempotency request'))
  for (const part of parts) {
    const bytes = Buffer.from(part)
    hmac.update(`${bytes.length}:`).update(bytes)
  }
  return hmac.digest('hex')
}

function derive(secret: string | Uint8Array, salt: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, `wrenn ${use}`, KEY_BYTES))
}
