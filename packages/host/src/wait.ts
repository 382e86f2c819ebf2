/** Waiting: always with an end. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'

/** Settles as `promise` does, unless the signal aborts first: then it rejects with the signal's reason. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {})
  signal.throwIfAborted()
  let onAbort!: () => void
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Settles as `promise` does, unless that takes longer than `ms`: then it rejects with the error that `late` makes. */
export async function within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
    promise.catch(() => {})
  }
}

/**
 * Resolves as `Promise.all` does, but rejects, with the first failure, only when all have ended: nobody works on what is
 * taken back then.
 */
export async function allEnded<T extends readonly unknown[]>(
  works: readonly [...{ [I in keyof T]: T[I] | Promise<T[I]> }],
): Promise<T> {
  const promised = works as readonly Promise<unknown>[]
  await Promise.allSettled(promised)
  return (await Promise.all(promised)) as unknown as T
}

/** Resolves when a stream has room again, or is gone. */
export async function roomIn(stream: Writable): Promise<void> {
  const settled = new AbortController()
  const { signal } = settled
  try {
    await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })])
  } finally {
    settled.abort()
  }
}
