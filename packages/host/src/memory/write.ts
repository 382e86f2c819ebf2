/** Writes what a process has changed of its memory file as a difference. Runs in a worker. */
import { closeSync, openSync, statSync } from 'node:fs'
import type { Copied, MemoryOf } from './copy.js'
import { BLOCK_PAGES } from './difference.js'
import { findMapping, privateRuns, type Run } from './mapping.js'
import { isZero, PAGE, readFully } from './pages.js'
import { DifferenceWriter, type WriterOptions, type WrittenDifference } from './writer.js'

export interface WriteDifference extends WriterOptions {
  /** The process, which must not run meanwhile, or what was copied of it. */
  from: MemoryOf | Copied[]
  /** The memory file that it maps privately. */
  base: string
}

/** Writes the file, in constant memory. Pages that were written but are as in the base are left out. */
export async function writeDifference({ from, base, ...options }: WriteDifference): Promise<WrittenDifference> {
  const baseFd = openSync(base, 'r')
  await using writer = new DifferenceWriter(options)
  try {
    const baseData = Buffer.allocUnsafe(BLOCK_PAGES * PAGE)
    for (const { page, data } of Array.isArray(from) ? ofCopies(from) : ofProcess(from)) {
      const before = baseData.subarray(0, data.length)
      readFully(baseFd, before, page * PAGE)
      for (const piece of pieces(data, before)) {
        const [start, end] = [piece.page * PAGE, (piece.page + piece.count) * PAGE]
        const kept = piece.is === 'zero' ? 'zero' : 'plain'
        const stored = kept === 'zero' ? data.subarray(0, 0) : data.subarray(start, end)
        if (piece.is !== 'same') writer.add({ page: page + piece.page, count: piece.count, kept }, stored)
      }
      await writer.pace()
    }
    return await writer.finish(statSync(base).size)
  } finally {
    closeSync(baseFd)
  }
}

interface Stretch {
  page: number
  data: Uint8Array
}

function* ofCopies(copies: Copied[]): Generator<Stretch> {
  for (const { runs, buffer } of copies) {
    let at = 0
    for (let i = 0; i < runs.length; i += 2) {
      for (const { page, count } of stretches({ page: runs[i]!, count: runs[i + 1]! })) {
        yield { page, data: new Uint8Array(buffer, at, count * PAGE) }
        at += count * PAGE
      }
    }
  }
}

function* ofProcess({ pid, base }: MemoryOf): Generator<Stretch> {
  const mapping = findMapping(pid, statSync(base))
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  const buffer = Buffer.allocUnsafe(BLOCK_PAGES * PAGE)
  try {
    for (const run of privateRuns(pid, mapping)) {
      for (const { page, count } of stretches(run)) {
        const data = buffer.subarray(0, count * PAGE)
        readFully(memory, data, mapping.address + page * PAGE)
        yield { page, data }
      }
    }
  } finally {
    closeSync(memory)
  }
}

/** A run in parts that fit into a block. */
function* stretches({ page, count }: Run): Generator<Run> {
  for (let done = 0; done < count; done += BLOCK_PAGES)
    yield { page: page + done, count: Math.min(BLOCK_PAGES, count - done) }
}

type Kind = 'same' | 'zero' | 'other'

/** Splits a stretch where pages that are as before, all zeroes, and anything else meet. */
function* pieces(data: Uint8Array, before: Uint8Array): Generator<Run & { is: Kind }> {
  const pages = data.length / PAGE
  const kind = (page: number): Kind => {
    const now = data.subarray(page * PAGE, (page + 1) * PAGE)
    if (Buffer.compare(now, before.subarray(page * PAGE, (page + 1) * PAGE)) === 0) return 'same'
    return isZero(now) ? 'zero' : 'other'
  }
  let is = kind(0)
  for (let start = 0, end = 1; start < pages; start = end++) {
    let next: Kind | undefined
    while (end < pages && (next = kind(end)) === is) end++
    yield { page: start, count: end - start, is }
    if (next !== undefined) is = next
  }
}
