import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether a secret is the one that is known, in a time that tells nothing of either. */
export function isSameSecret(given: string, known: string): boolean {
  return timingSafeEqual(digest(given), digest(known))
}

/** Of one length, whatever the text's. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
