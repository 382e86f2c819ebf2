/** Puts a difference into the memory of a process that has just mapped the base image. Runs in a worker. */
import { closeSync, openSync, statSync } from 'node:fs'
import { DATA_OFFSET, withDifference } from './difference.js'
import { findMapping, PAGE, readFully, writeFully } from './mapping.js'

/** Bytes moved at a time. */
const CHUNK = 1 << 20

export interface ApplyMemory {
  /** The process; it must not run meanwhile. */
  pid: number
  /** The base image that it maps privately. */
  base: string
  difference: string
}

/** Writes every page of the difference to where the process maps it. */
export function applyMemory({ pid, base, difference }: ApplyMemory): void {
  const mapping = findMapping(pid, statSync(base))
  const memory = openSync(`/proc/${pid}/mem`, 'r+')
  try {
    withDifference(difference, (fd, { memoryBytes, runs }) => {
      if (memoryBytes !== mapping.bytes)
        throw new Error(`a difference of ${memoryBytes} bytes for a memory of ${mapping.bytes}`)
      const data = Buffer.allocUnsafe(CHUNK)
      const zeroes = Buffer.alloc(CHUNK)
      let position = DATA_OFFSET
      for (const run of runs) {
        for (let done = 0, bytes = run.count * PAGE; done < bytes; done += CHUNK) {
          const chunk = (run.zero ? zeroes : data).subarray(0, Math.min(CHUNK, bytes - done))
          if (!run.zero) {
            readFully(fd, chunk, position)
            position += chunk.length
          }
          writeFully(memory, chunk, mapping.address + run.page * PAGE + done)
        }
      }
    })
  } finally {
    closeSync(memory)
  }
}
