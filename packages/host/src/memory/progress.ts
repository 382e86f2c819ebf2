/** How far a thread is with a file, told to another that digests it behind the first. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

/**
 * One number, so that nobody who waits for it to change misses a word: the bytes that are there; once the file is whole,
 * minus one less their number; `GIVEN_UP`.
 */
export type Progress = SharedArrayBuffer
const GIVEN_UP = -(2n ** 63n)

const CHUNK = 1 << 20
/** How long the writer may take from one word to the next, in milliseconds. */
const PATIENCE_MS = 60_000

export function newProgress(): Progress {
  return new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
}

/** So many bytes can be read. */
export function reach(progress: Progress, bytes: number, isWhole = false): void {
  say(progress, isWhole ? -1n - BigInt(bytes) : BigInt(bytes))
}

/** The writer has ended without making the file whole. */
export function giveUp(progress: Progress): void {
  if (Atomics.load(new BigInt64Array(progress), 0) >= 0n) say(progress, GIVEN_UP)
}

function say(progress: Progress, word: bigint): void {
  const shared = new BigInt64Array(progress)
  Atomics.store(shared, 0, word)
  Atomics.notify(shared, 0)
}

export interface DigestBehind {
  path: string
  progress: Progress
}

/** The SHA-256 of a file that another thread writes, in hex. Runs in a worker, and must not be asked for before the writer. */
export function digestBehind({ path, progress }: DigestBehind): string {
  const shared = new BigInt64Array(progress)
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(CHUNK)
  let fd: number | undefined
  let done = 0
  try {
    for (;;) {
      const word = Atomics.load(shared, 0)
      if (word === GIVEN_UP) throw new Error(`${path} is not whole`)
      const there = Number(word < 0n ? -1n - word : word)
      if (done < there) {
        fd ??= openSync(path, 'r')
        const n = readSync(fd, buffer, 0, Math.min(CHUNK, there - done), done)
        if (n === 0) throw new Error(`${path} ends at byte ${done}`)
        hash.update(buffer.subarray(0, n))
        done += n
      } else if (word < 0n) return hash.digest('hex')
      else if (Atomics.wait(shared, 0, word, PATIENCE_MS) === 'timed-out') throw new Error(`nobody writes ${path}`)
    }
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
