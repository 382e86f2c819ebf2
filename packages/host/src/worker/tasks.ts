/**
 * What runs in worker threads: everything that would hold up the event loop. Each task is a plain function of its one
 * argument; the pool calls them by name.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs'

export { applyMemory, foldMemory } from '../memory/apply.js'
export { copySlice, planCopy } from '../memory/copy.js'
export { packMemory } from '../memory/pack.js'
export { writeDifference } from '../memory/write.js'
export { copySparse } from '../memory/sparse.js'
export { extractKernel } from '../images/kernel.js'

const CHUNK = 1 << 20

/** The SHA-256 of a file, in hex. */
export function digestFile(path: string): string {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(CHUNK)
  const fd = openSync(path, 'r')
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(buffer.subarray(0, n))
    return hash.digest('hex')
  } finally {
    closeSync(fd)
  }
}

/** The SHA-256 of a file, in hex, once its content is on the disk. */
export function syncAndDigest(path: string): string {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  return digestFile(path)
}
