/** When the same request is sent again, and how long to wait before. */
import { WrennConnectionError, WrennError } from './errors.js'

const RETRIES = 2
const FIRST_DELAY_MS = 200
/** Answers after which the same request may succeed. */
const retryable = new Set([429, 503])

/** Does what `once` does, a few times more while it fails for a reason that may pass. */
export async function withRetries<T>(once: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await once()
    } catch (error) {
      if (tries === RETRIES || !isPassing(error)) throw error
      await delay(FIRST_DELAY_MS * 2 ** tries * (0.5 + Math.random()), signal)
    }
  }
}

/** Whether a failure may be gone the next time. */
export function isPassing(error: unknown): boolean {
  return error instanceof WrennConnectionError || (error instanceof WrennError && retryable.has(error.status))
}

/** Waits. Aborting ends the wait with the signal's reason. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal!.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * A new idempotency key: 32 hex digits. `crypto.randomUUID` would do, but browsers have it only on pages that came over
 * HTTPS, and a self-hosted server's may not.
 */
export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
