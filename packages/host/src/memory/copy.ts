/**
 * Copies what a stopped process has changed of its memory file into our memory, so that the process can go on before
 * anything is written. Runs in workers, several at once: each takes a slice of the pages.
 *
 * A page of ours that is touched for the first time costs as much as the copy itself, so buffers are made and touched
 * while the process still runs.
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { findMapping, privateRuns } from './mapping.js'
import { PAGE, readFully } from './pages.js'

export interface MemoryOf {
  pid: number
  /** The memory file that it maps privately. */
  base: string
}

/** Pages from the first to before the second. */
export type Slice = [number, number]

export interface Plan {
  pages: number
  /** Slices with about as many changed pages each. */
  slices: { slice: Slice; buffer: SharedArrayBuffer }[]
}

/** A slice's changed pages: page and count of each run in turn, and their content one after the other. */
export interface Copied {
  runs: Uint32Array
  buffer: SharedArrayBuffer
}

/** Changed pages that appear between the plan and the copy find room for as many; more are copied all the same, only slower. */
const SPARE_PAGES = 256

/**
 * Plans a copy while the process runs.
 *
 * @param most bytes; above that no buffers are made, and `slices` is empty
 */
export function planCopy({ pid, base, parts, most }: MemoryOf & { parts: number; most: number }): Plan {
  const mapping = findMapping(pid, statSync(base))
  const runs = [...privateRuns(pid, mapping)]
  const pages = runs.reduce((sum, { count }) => sum + count, 0)
  if (pages * PAGE > most) return { pages, slices: [] }
  const slices = cut(runs, { parts, pages, end: mapping.bytes / PAGE }).map(({ slice, count }) => ({
    slice,
    buffer: touched((count + SPARE_PAGES) * PAGE),
  }))
  return { pages, slices }
}

function cut(
  runs: { page: number; count: number }[],
  { parts, pages, end }: { parts: number; pages: number; end: number },
): { slice: Slice; count: number }[] {
  const found: { slice: Slice; count: number }[] = []
  let [from, count] = [0, 0]
  for (const run of runs) {
    if (count >= pages / parts && found.length < parts - 1) {
      found.push({ slice: [from, run.page], count })
      ;[from, count] = [run.page, 0]
    }
    count += run.count
  }
  return [...found, { slice: [from, end], count }]
}

/** A buffer all of whose pages are there already. */
function touched(bytes: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes)
  const view = new Uint8Array(buffer)
  for (let at = 0; at < bytes; at += PAGE) view[at] = 1
  return buffer
}

/** Copies a slice's changed pages. The process must not run meanwhile. */
export function copySlice({
  pid,
  base,
  slice,
  buffer: prepared,
}: MemoryOf & { slice: Slice; buffer: SharedArrayBuffer }): Copied {
  const mapping = findMapping(pid, statSync(base))
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    let buffer = prepared
    let at = 0
    const runs: number[] = []
    for (const { page, count } of privateRuns(pid, mapping, slice)) {
      if (at + count * PAGE > buffer.byteLength) buffer = grown(buffer, at + count * PAGE)
      readFully(memory, new Uint8Array(buffer, at, count * PAGE), mapping.address + page * PAGE)
      runs.push(page, count)
      at += count * PAGE
    }
    return { runs: Uint32Array.from(runs), buffer }
  } finally {
    closeSync(memory)
  }
}

function grown(buffer: SharedArrayBuffer, needed: number): SharedArrayBuffer {
  const larger = new SharedArrayBuffer(Math.max(needed, buffer.byteLength * 2))
  new Uint8Array(larger).set(new Uint8Array(buffer))
  return larger
}
