import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { isZero, PAGE, writeFully } from './pages.js'

const CHUNK = 1 << 20

/**
 * Copies a file so that its all-zero pages are holes: they take no disk and, mapped, no page cache.
 *
 * @param mode of the copy; read-only by default
 * @returns the bytes that are not zero
 */
export function copySparse({ from, to, mode = 0o444 }: { from: string; to: string; mode?: number }): number {
  const source = openSync(from, 'r')
  const target = openSync(to, 'wx', mode)
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
        if (isZero(page) || (page.length < PAGE && !page.some(Boolean))) continue
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
