import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { PAGE, writeFully } from './mapping.js'

const CHUNK = 1 << 20
const zeroPage = Buffer.alloc(PAGE)

/**
 * Copies a file so that its all-zero pages are holes: they take no disk and, mapped, no page cache.
 *
 * @returns the bytes that are not zero
 */
export function copySparse({ from, to }: { from: string; to: string }): number {
  const source = openSync(from, 'r')
  const target = openSync(to, 'wx', 0o444)
  try {
    const { size } = fstatSync(source)
    const buffer = Buffer.allocUnsafe(CHUNK)
    ftruncateSync(target, size)
    let kept = 0
    for (let position = 0; position < size;) {
      const n = readSync(source, buffer, 0, CHUNK, position)
      if (n === 0) throw new Error(`the file ends at byte ${position}`)
      for (let offset = 0; offset < n; offset += PAGE) {
        const page = buffer.subarray(offset, Math.min(offset + PAGE, n))
        if (zeroPage.equals(page) || (page.length < PAGE && !page.some(Boolean))) continue
        writeFully(target, page, position + offset)
        kept += page.length
      }
      position += n
    }
    return kept
  } finally {
    closeSync(target)
    closeSync(source)
  }
}
