/** Puts a difference over a base image: in the memory of a process that has just mapped it, or in a file. Runs in a worker. */
import { closeSync, openSync, statSync } from 'node:fs'
import { findMapping } from './mapping.js'
import { PAGE, writeFully } from './pages.js'
import { eachBlock } from './read.js'
import { copySparse } from './sparse.js'

export interface ApplyMemory {
  /** The process; it must not run meanwhile. */
  pid: number
  /** The base image that it maps privately. */
  base: string
  difference: string
}

/**
 * Writes every page of the difference to where the process maps it.
 *
 * @throws {DamagedError} when the difference is not what was written; the process's memory is of no use then
 */
export async function applyMemory({ pid, base, difference }: ApplyMemory): Promise<void> {
  const mapping = findMapping(pid, statSync(base))
  await writePages({ difference, target: `/proc/${pid}/mem`, at: mapping.address, memoryBytes: mapping.bytes })
}

export interface FoldMemory {
  base: string
  difference: string
  /** The new base image to make. */
  into: string
}

/** Makes one image of a base and a difference; whoever keeps it syncs it. All-zero pages of the base stay holes. */
export async function foldMemory({ base, difference, into }: FoldMemory): Promise<void> {
  copySparse({ from: base, to: into, mode: 0o644 })
  await writePages({ difference, target: into, at: 0, memoryBytes: statSync(base).size })
}

interface WritePages {
  difference: string
  target: string
  /** Where in the target the first page lies. */
  at: number
  memoryBytes: number
}

async function writePages({ difference, target, at, memoryBytes }: WritePages): Promise<void> {
  const fd = openSync(target, 'r+')
  try {
    const write = (page: number, data: Uint8Array) => void writeFully(fd, data, at + page * PAGE)
    await eachBlock({ difference, memoryBytes }, write)
  } finally {
    closeSync(fd)
  }
}
