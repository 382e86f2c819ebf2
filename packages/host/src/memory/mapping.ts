/**
 * Where a process maps a file, and which of the mapping's pages it has made its own.
 *
 * Linux tells both: /proc/PID/maps and /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). A page of a
 * private file mapping that was only read is still the file's; one that was written is anonymous: present without the
 * "file page" bit, or swapped out.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'

/** Bytes of a page on every machine that we run on. */
export const PAGE = 4096
const ENTRY = 8
// Bits 63, 62 and 61 of an entry, as bits of its upper half.
const PRESENT = 1 << 31
const SWAPPED = 1 << 30
const FILE_OR_SHARED = 1 << 29

export interface Mapping {
  /** Where it begins in the process's address space. */
  address: number
  bytes: number
}

/** A run of pages of the mapping, counted from its start. */
export interface Run {
  page: number
  count: number
}

/**
 * Finds the one private mapping of a file in a process.
 *
 * @param file device and inode of the file
 * @throws when it is not mapped, or not as one piece from the file's start
 */
export function findMapping(pid: number, file: { dev: number; ino: number }): Mapping {
  const device = `${major(file.dev)}:${minor(file.dev)}`
  const found: Mapping[] = []
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S{4} ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)/.exec(line)
    if (!match || match[4] !== device || Number(match[5]) !== file.ino) continue
    const [address, end, offset] = [match[1], match[2], match[3]].map((digits) => parseInt(digits!, 16))
    if (offset !== 0) throw new Error(`the memory file is mapped in several pieces (offset ${offset})`)
    found.push({ address: address!, bytes: end! - address! })
  }
  if (found.length !== 1) throw new Error(`the memory file is mapped ${found.length} times in process ${pid}`)
  return found[0]!
}

/** Lists the runs of pages that the process has written since it mapped the file. */
export function privateRuns(pid: number, mapping: Mapping): Run[] {
  const pages = mapping.bytes / PAGE
  const entries = new Uint32Array(pages * 2)
  const fd = openSync(`/proc/${pid}/pagemap`, 'r')
  try {
    readFully(fd, new Uint8Array(entries.buffer), (mapping.address / PAGE) * ENTRY)
  } finally {
    closeSync(fd)
  }
  const runs: Run[] = []
  let run: Run | undefined
  for (let page = 0; page < pages; page++) {
    const upper = entries[page * 2 + 1]!
    const own = (upper & PRESENT && !(upper & FILE_OR_SHARED)) || upper & SWAPPED
    if (!own) run = undefined
    else if (run) run.count++
    else runs.push((run = { page, count: 1 }))
  }
  return runs
}

/** Reads exactly `into.length` bytes at a position, or throws. */
export function readFully(fd: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const n = readSync(fd, into, done, into.length - done, position + done)
    if (n === 0) throw new Error(`the file ends at byte ${position + done}`)
    done += n
  }
}

/** Writes all of `data` at a position; returns the position behind it. */
export function writeFully(fd: number, data: Uint8Array, position: number): number {
  for (let done = 0; done < data.length;) done += writeSync(fd, data, done, data.length - done, position + done)
  return position + data.length
}

// As glibc's gnu_dev_major and gnu_dev_minor, in the two digits or more that /proc/PID/maps shows.
function major(dev: number): string {
  return Number((BigInt(dev) >> 8n) & 0xfffn)
    .toString(16)
    .padStart(2, '0')
}
function minor(dev: number): string {
  const wide = BigInt(dev)
  return Number((wide & 0xffn) | ((wide >> 12n) & 0xffffff00n))
    .toString(16)
    .padStart(2, '0')
}
