/**
 * Compresses a difference. It pays for what is seldom started: on the way to a template zstd takes longer than the disk
 * takes for what it saves, and on the way from it the decompression is waited for. Runs in a worker.
 */
import { closeSync, openSync } from 'node:fs'
import { BLOCK_PAGES, readTable } from './difference.js'
import { PAGE } from './pages.js'
import { readStored } from './read.js'
import { DifferenceWriter, type WriterOptions, type WrittenDifference } from './writer.js'
import { loadZstd } from './zstd.js'

/** The fastest of the usual levels. */
const LEVEL = 1
/** A block is kept compressed when that is at most this share of it. */
const WORTH = 0.75

export interface PackMemory extends WriterOptions {
  difference: string
}

/** Writes the difference anew with every block compressed for which that pays. */
export async function packMemory({ difference, ...options }: PackMemory): Promise<WrittenDifference> {
  const zstd = await loadZstd()
  const fd = openSync(difference, 'r')
  await using writer = new DifferenceWriter(options)
  try {
    const { memoryBytes, blocks } = readTable(fd)
    const buffer = Buffer.allocUnsafe(BLOCK_PAGES * PAGE)
    let position = 0
    for (const block of blocks) {
      const stored = readStored(fd, { block, buffer, position })
      position += block.stored
      const packed = block.kept === 'plain' ? zstd.compress(stored, LEVEL) : undefined
      if (packed && packed.length <= stored.length * WORTH) writer.add({ ...block, kept: 'zstd' }, packed)
      else writer.add(block, stored)
    }
    return await writer.finish(memoryBytes)
  } finally {
    closeSync(fd)
  }
}
