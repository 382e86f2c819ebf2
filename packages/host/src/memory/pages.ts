/** Pages, and reading and writing all of something. */
import { readSync, writeSync } from 'node:fs'

/** Bytes of a page on every machine that we run on. */
export const PAGE = 4096

const zeroPage = Buffer.alloc(PAGE)

/** Whether a page holds nothing but zeroes. */
export function isZero(page: Uint8Array): boolean {
  return zeroPage.equals(page)
}

/** Reads exactly `into.length` bytes at a position, or throws. */
export function readFully(fd: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const n = readSync(fd, into, done, into.length - done, position + done)
    if (n === 0) throw new Error(`the file ends at byte ${position + done}`)
    done += n
  }
}

/** Writes all of `data` at a position; returns the position behind it. Throws where nothing is taken, as by a process that has ended. */
export function writeFully(fd: number, data: Uint8Array, position: number): number {
  for (let done = 0; done < data.length;) {
    const n = writeSync(fd, data, done, data.length - done, position + done)
    if (n === 0) throw new Error(`what is written to takes nothing at byte ${position + done}`)
    done += n
  }
  return position + data.length
}
