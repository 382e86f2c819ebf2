/**
 * What runs in worker threads: everything that would hold up the event loop. Each task is a plain function of its one
 * argument; the pool calls them by name.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { digestFile } from '../fs/digest.js'

export { digestFile }
export { applyMemory, foldMemory } from '../memory/apply.js'
export { copySlice, planCopy } from '../memory/copy.js'
export { packMemory } from '../memory/pack.js'
export { digestBehind } from '../memory/progress.js'
export { writeDifference } from '../memory/write.js'
export { copySparse } from '../memory/sparse.js'
export { extractKernel } from '../images/kernel.js'

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
