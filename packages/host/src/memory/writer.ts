import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { encodeEnd, type Block, type KeptAs } from './difference.js'
import { PAGE, writeFully } from './pages.js'

export interface WriterOptions {
  into: string
  /** Whether it is to have a digest. */
  digest: boolean
}

/** What was written. */
export interface WrittenDifference {
  /** Bytes of memory that differ from the base, all-zero pages included. */
  changedBytes: number
  /** SHA-256 of the file, hex, where that was asked for. */
  sha256: string | undefined
}

/** Writes a difference file from front to back. Syncing it is the affair of whoever needs that. */
export class DifferenceWriter implements Disposable {
  readonly #fd: number
  readonly #hash: Hash | undefined
  readonly #blocks: Block[] = []
  #position = 0

  constructor({ into, digest }: WriterOptions) {
    this.#fd = openSync(into, 'wx', 0o644)
    this.#hash = digest ? createHash('sha256') : undefined
  }

  /** Adds a block; `data` is what is kept of it. Blocks come in the order of their pages. */
  add(block: { page: number; count: number; kept: KeptAs }, data: Uint8Array): void {
    this.#blocks.push({ ...block, stored: data.length, crc: data.length === 0 ? 0 : crc32(data) })
    this.#write(data)
  }

  finish(memoryBytes: number): WrittenDifference {
    this.#write(encodeEnd({ memoryBytes, blocks: this.#blocks }))
    const pages = this.#blocks.reduce((sum, { count }) => sum + count, 0)
    return { changedBytes: pages * PAGE, sha256: this.#hash?.digest('hex') }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  #write(data: Uint8Array): void {
    this.#hash?.update(data)
    this.#position = writeFully(this.#fd, data, this.#position)
  }
}
