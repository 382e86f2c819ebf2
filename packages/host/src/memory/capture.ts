/** Copies what a stopped process has changed of its memory file into a difference file. Runs in a worker. */
import { closeSync, openSync, statSync } from 'node:fs'
import { DATA_OFFSET, encodeHeader, encodeTable, type DifferenceRun } from './difference.js'
import { findMapping, PAGE, privateRuns, readFully, writeFully } from './mapping.js'

/** Pages read at a time; 1 MiB. */
const CHUNK_PAGES = 256
const zeroPage = Buffer.alloc(PAGE)

export interface CaptureMemory {
  /** The process; it must not run meanwhile. */
  pid: number
  /** The memory file that it maps privately. */
  base: string
  /** The difference file to make. */
  into: string
}

export interface CapturedMemory {
  /** Bytes that differ from the base, all-zero pages included. */
  changedBytes: number
  /** Bytes of them that are in the file: those that are not zero. */
  dataBytes: number
}

/** Writes the difference file, in constant memory. */
export function captureMemory({ pid, base, into }: CaptureMemory): CapturedMemory {
  const mapping = findMapping(pid, statSync(base))
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  const out = openSync(into, 'wx', 0o644)
  try {
    const runs: DifferenceRun[] = []
    const buffer = Buffer.allocUnsafe(CHUNK_PAGES * PAGE)
    let changedBytes = 0
    let end = DATA_OFFSET
    for (const run of privateRuns(pid, mapping)) {
      for (let done = 0; done < run.count; done += CHUNK_PAGES) {
        const page = run.page + done
        const data = buffer.subarray(0, Math.min(CHUNK_PAGES, run.count - done) * PAGE)
        readFully(memory, data, mapping.address + page * PAGE)
        changedBytes += data.length
        for (const piece of splitAtZeroes(page, data)) {
          runs.push(piece)
          if (piece.zero) continue
          const offset = (piece.page - page) * PAGE
          end = writeFully(out, data.subarray(offset, offset + piece.count * PAGE), end)
        }
      }
    }
    const dataBytes = end - DATA_OFFSET
    writeFully(out, encodeTable(runs), end)
    writeFully(out, encodeHeader({ memoryBytes: mapping.bytes, runs }, dataBytes), 0)
    return { changedBytes, dataBytes }
  } finally {
    closeSync(out)
    closeSync(memory)
  }
}

/** Splits a stretch of pages where data and all-zero pages meet. */
function* splitAtZeroes(firstPage: number, data: Buffer): Generator<DifferenceRun> {
  const pages = data.length / PAGE
  for (let start = 0, end; start < pages; start = end) {
    const zero = isZero(data, start)
    end = start + 1
    while (end < pages && isZero(data, end) === zero) end++
    yield { page: firstPage + start, count: end - start, zero }
  }
}

function isZero(data: Buffer, page: number): boolean {
  return zeroPage.equals(data.subarray(page * PAGE, (page + 1) * PAGE))
}
