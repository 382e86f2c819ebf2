/**
 * The file that holds a capsule's memory as its difference from a base image.
 *
 * Layout, little endian: the data of the blocks, one after the other; the table, a row for each block (first page u32,
 * page count u32 whose two top bits say how the data is kept, stored bytes u32, CRC-32 of them u32); a footer of 40
 * bytes (`WRNMEM02`, page size u32, rows u32, memory bytes u64, offset of the table u64, CRC-32 of the table u32, CRC-32
 * of the footer so far u32). Everything is written once from front to back, and checked whenever it is read. A page that
 * the file does not name is as in the base image.
 */
import { fstatSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { Run } from './mapping.js'
import { PAGE, readFully } from './pages.js'

const MAGIC = 'WRNMEM02'
const FOOTER = 40
const ROW = 16
/** The most pages of a block; 1 MiB. */
export const BLOCK_PAGES = 256

const keptAs = ['plain', 'zero', 'zstd'] as const
/** How a block's data is kept: as it is, not at all since it is all zeroes, or compressed. */
export type KeptAs = (typeof keptAs)[number]

export interface Block extends Run {
  kept: KeptAs
  /** Bytes in the file. */
  stored: number
  crc: number
}

export interface Difference {
  memoryBytes: number
  blocks: Block[]
}

/** The file is not what it was when it was written. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError'
}

/** What stands behind the data: the table and the footer. */
export function encodeEnd({ memoryBytes, blocks }: Difference): Buffer {
  const end = Buffer.alloc(blocks.length * ROW + FOOTER)
  let at = 0
  for (const { page, count, kept, stored, crc } of blocks) {
    for (const word of [page, ((keptAs.indexOf(kept) << 30) | count) >>> 0, stored, crc])
      at = end.writeUInt32LE(word, at)
  }
  const offset = blocks.reduce((sum, { stored }) => sum + stored, 0)
  const tableCrc = crc32(end.subarray(0, at))
  at += end.write(MAGIC, at, 'latin1')
  for (const word of [PAGE, blocks.length]) at = end.writeUInt32LE(word, at)
  for (const word of [memoryBytes, offset]) at = end.writeBigUInt64LE(BigInt(word), at)
  at = end.writeUInt32LE(tableCrc, at)
  end.writeUInt32LE(crc32(end.subarray(blocks.length * ROW, at)), at)
  return end
}

/**
 * Reads and checks a file's table.
 *
 * @throws {DamagedError} when the file is not a difference, or not a whole one
 */
export function readTable(fd: number): Difference {
  const { size } = fstatSync(fd)
  if (size < FOOTER) throw new DamagedError('the memory difference is too short')
  const footer = Buffer.alloc(FOOTER)
  readFully(fd, footer, size - FOOTER)
  if (footer.toString('latin1', 0, 8) !== MAGIC || crc32(footer.subarray(0, 36)) !== footer.readUInt32LE(36))
    throw new DamagedError('the end of the memory difference is damaged')
  if (footer.readUInt32LE(8) !== PAGE) throw new DamagedError('the memory difference has pages of another size')
  const rows = footer.readUInt32LE(12)
  const memoryBytes = Number(footer.readBigUInt64LE(16))
  const offset = Number(footer.readBigUInt64LE(24))
  if (offset + rows * ROW + FOOTER !== size) throw new DamagedError('the memory difference has the wrong length')
  const table = Buffer.alloc(rows * ROW)
  readFully(fd, table, offset)
  if (crc32(table) !== footer.readUInt32LE(32)) throw new DamagedError('the table of the memory difference is damaged')
  return { memoryBytes, blocks: decodeTable(table, { memoryBytes, offset }) }
}

function decodeTable(table: Buffer, { memoryBytes, offset }: { memoryBytes: number; offset: number }): Block[] {
  const blocks: Block[] = []
  let [next, total] = [0, 0]
  for (let at = 0; at < table.length; at += ROW) {
    const [page, word, stored, crc] = [0, 4, 8, 12].map((field) => table.readUInt32LE(at + field)) as [
      number,
      number,
      number,
      number,
    ]
    const [kept, count] = [keptAs[word >>> 30], word & 0x3fffffff]
    if (!kept || count === 0 || page < next || (kept !== 'zero' && count > BLOCK_PAGES))
      throw new DamagedError('the table of the memory difference makes no sense')
    if (kept === 'zero' ? stored !== 0 : kept === 'plain' ? stored !== count * PAGE : stored >= count * PAGE)
      throw new DamagedError('the table of the memory difference makes no sense')
    next = page + count
    total += stored
    blocks.push({ page, count, kept, stored, crc })
  }
  if (next * PAGE > memoryBytes) throw new DamagedError('the memory difference reaches beyond the memory')
  if (total !== offset) throw new DamagedError('the memory difference has the wrong length')
  return blocks
}
