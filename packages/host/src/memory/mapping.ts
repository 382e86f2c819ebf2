/**
 * Where a process maps a file, and which of the mapping's pages it has made its own.
 *
 * Linux tells both: /proc/PID/maps and /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). A page of a
 * private file mapping that was only read is still the file's; one that was written is anonymous: present without the
 * "file page" bit, or swapped out.
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { PAGE, readFully } from './pages.js'

const ENTRY = 8
/** Entries of the page map read at a time. */
const ENTRIES = 8192
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
 * @param file device, inode and length of the file
 * @throws when it is not mapped, or not as one piece from the file's start to its end
 */
export function findMapping(pid: number, file: { dev: number; ino: number; size: number }): Mapping {
  const device = `${major(file.dev)}:${minor(file.dev)}`
  const found: Mapping[] = []
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S{4} ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)/.exec(line)
    if (!match || match[4] !== device || Number(match[5]) !== file.ino) continue
    const [address, end, offset] = [match[1], match[2], match[3]].map((digits) => parseInt(digits!, 16))
    if (offset !== 0) throw new Error(`the memory file is mapped in several pieces (offset ${offset})`)
    const bytes = end! - address!
    if (bytes !== Math.ceil(file.size / PAGE) * PAGE) throw new Error(`the memory file is mapped over ${bytes} bytes`)
    found.push({ address: address!, bytes })
  }
  if (found.length !== 1) throw new Error(`the memory file is mapped ${found.length} times in process ${pid}`)
  return found[0]!
}

/**
 * The runs of pages that the process has written since it mapped the file.
 *
 * @param within only pages from the first to before the second; all by default
 */
export function* privateRuns(
  pid: number,
  mapping: Mapping,
  [first, end]: [number, number] = [0, mapping.bytes / PAGE],
): Generator<Run> {
  const entries = new Uint32Array(Math.min(ENTRIES, end - first) * 2)
  const fd = openSync(`/proc/${pid}/pagemap`, 'r')
  try {
    let run: Run | undefined
    for (let at = first; at < end; at += ENTRIES) {
      const count = Math.min(ENTRIES, end - at)
      readFully(fd, new Uint8Array(entries.buffer, 0, count * ENTRY), (mapping.address / PAGE + at) * ENTRY)
      for (let i = 0; i < count; i++) {
        const upper = entries[i * 2 + 1]!
        const isOwn = (upper & PRESENT && !(upper & FILE_OR_SHARED)) || upper & SWAPPED
        if (isOwn) {
          if (run) run.count++
          else run = { page: at + i, count: 1 }
        } else if (run) {
          yield run
          run = undefined
        }
      }
    }
    if (run) yield run
  } finally {
    closeSync(fd)
  }
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
