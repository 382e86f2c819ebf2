/**
 * The file that holds a capsule's memory as its difference from a base image.
 *
 * Layout, little endian: a page with the header (`WRNMEM01`, page size u32, number of runs u32, memory bytes u64, offset
 * of the run table u64); the data of the runs, one after the other; the run table (first page u32, page count u32
 * whose top bit says "all zeroes, no data"). The table stands at the end so that a capture can stream. A page that the
 * file does not name is as in the base image.
 */
import { closeSync, openSync } from 'node:fs'
import { PAGE, readFully, type Run } from './mapping.js'

const MAGIC = 'WRNMEM01'
const HEADER = 32
const ROW = 8
const ZERO = 0x80000000

export interface DifferenceRun extends Run {
  zero: boolean
}

export interface Difference {
  memoryBytes: number
  runs: DifferenceRun[]
}

/** Where the data of the first run begins. */
export const DATA_OFFSET = PAGE

/** The first page of a file whose data takes `dataBytes`. */
export function encodeHeader({ memoryBytes, runs }: Difference, dataBytes: number): Buffer {
  const header = Buffer.alloc(DATA_OFFSET)
  header.write(MAGIC, 0, 'latin1')
  header.writeUInt32LE(PAGE, 8)
  header.writeUInt32LE(runs.length, 12)
  header.writeBigUInt64LE(BigInt(memoryBytes), 16)
  header.writeBigUInt64LE(BigInt(DATA_OFFSET + dataBytes), 24)
  return header
}

/** The run table, which stands behind the data. */
export function encodeTable(runs: DifferenceRun[]): Buffer {
  const table = Buffer.alloc(runs.length * ROW)
  runs.forEach((run, i) => {
    table.writeUInt32LE(run.page, i * ROW)
    table.writeUInt32LE((run.count | (run.zero ? ZERO : 0)) >>> 0, i * ROW + 4)
  })
  return table
}

/**
 * Reads and checks a file's table.
 *
 * @throws when the file is not a difference, or names pages outside of the memory
 */
export function readTable(fd: number): Difference {
  const header = Buffer.alloc(HEADER)
  readFully(fd, header, 0)
  if (header.toString('latin1', 0, 8) !== MAGIC) throw new Error('not a memory difference')
  if (header.readUInt32LE(8) !== PAGE)
    throw new Error(`a memory difference with pages of ${header.readUInt32LE(8)} bytes`)
  const rows = header.readUInt32LE(12)
  const memoryBytes = Number(header.readBigUInt64LE(16))
  if (rows > memoryBytes / PAGE) throw new Error('a memory difference with more runs than pages')
  const table = Buffer.alloc(rows * ROW)
  readFully(fd, table, Number(header.readBigUInt64LE(24)))
  const runs: DifferenceRun[] = []
  for (let i = 0, next = 0; i < rows; i++) {
    const word = table.readUInt32LE(i * ROW + 4)
    const run = { page: table.readUInt32LE(i * ROW), count: (word & ~ZERO) >>> 0, zero: (word & ZERO) !== 0 }
    if (run.page < next || run.count === 0) throw new Error('a memory difference whose runs are out of order')
    next = run.page + run.count
    if (next * PAGE > memoryBytes) throw new Error('a memory difference that reaches beyond the memory')
    runs.push(run)
  }
  return { memoryBytes, runs }
}

/** Opens a difference file for the length of `use`. */
export function withDifference<T>(path: string, use: (fd: number, difference: Difference) => T): T {
  const fd = openSync(path, 'r')
  try {
    return use(fd, readTable(fd))
  } finally {
    closeSync(fd)
  }
}
