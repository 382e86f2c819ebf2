import { closeSync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { BLOCK_PAGES, DamagedError, readTable, type Block } from './difference.js'
import { PAGE, readFully } from './pages.js'
import { loadZstd } from './zstd.js'

export interface ReadDifference {
  difference: string
  /** What the file has to be of. */
  memoryBytes: number
}

/**
 * Calls `use` with the content of each block, in order, in parts that fit into a block; it is overwritten by the next.
 *
 * @throws {DamagedError} when the file is not what was written
 */
export async function eachBlock(
  { difference, memoryBytes }: ReadDifference,
  use: (page: number, data: Uint8Array) => void,
): Promise<void> {
  const fd = openSync(difference, 'r')
  try {
    const { memoryBytes: found, blocks } = readTable(fd)
    if (found !== memoryBytes)
      throw new DamagedError(`the memory difference is of ${found} bytes, the memory of ${memoryBytes}`)
    const zstd = blocks.some(({ kept }) => kept === 'zstd') ? await loadZstd() : undefined
    const buffer = Buffer.allocUnsafe(BLOCK_PAGES * PAGE)
    const zeroes = Buffer.alloc(BLOCK_PAGES * PAGE)
    let position = 0
    for (const block of blocks) {
      if (block.kept === 'zero') {
        for (let done = 0; done < block.count; done += BLOCK_PAGES)
          use(block.page + done, zeroes.subarray(0, Math.min(BLOCK_PAGES, block.count - done) * PAGE))
        continue
      }
      const stored = readStored(fd, { block, buffer, position })
      position += block.stored
      use(block.page, block.kept === 'zstd' ? inflated(zstd!.decompress(stored), block) : stored)
    }
  } finally {
    closeSync(fd)
  }
}

/** A block's bytes as they are in the file, checked. */
export function readStored(
  fd: number,
  { block, buffer, position }: { block: Block; buffer: Buffer; position: number },
): Buffer {
  const stored = buffer.subarray(0, block.stored)
  readFully(fd, stored, position)
  if (crc32(stored) !== block.crc) throw new DamagedError('the content of the memory difference is damaged')
  return stored
}

function inflated(data: Uint8Array, { count }: Block): Uint8Array {
  if (data.length !== count * PAGE) throw new DamagedError('a block of the memory difference has the wrong length')
  return data
}
