import { closeSync, fdatasync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { encodeEnd, type Block, type KeptAs } from './difference.js'
import { PAGE, writeFully } from './pages.js'
import { reach, type Progress } from './progress.js'

/** After so many bytes the disk begins with what was written, while the rest is still being made. */
const FLUSH_BYTES = 4 * 1024 * 1024

export interface WriterOptions {
  into: string
  /** Whether it is to last: it is on its way to the disk from the first bytes on. */
  lasting: boolean
  /** Told how far the file is. */
  progress?: Progress | undefined
}

/** What was written. */
export interface WrittenDifference {
  /** Bytes of memory that differ from the base, all-zero pages included. */
  changedBytes: number
}

/** Writes a difference file from front to back. Its last sync is the affair of whoever publishes it. */
export class DifferenceWriter implements AsyncDisposable {
  readonly #fd: number
  readonly #options: WriterOptions
  readonly #blocks: Block[] = []
  #position = 0
  /** How many bytes were handed to the disk, when it is done with them, and how often it is not yet. */
  #flushed = 0
  #flushing = Promise.resolve()
  #unfinished = 0
  #failure: Error | undefined

  constructor(options: WriterOptions) {
    this.#fd = openSync(options.into, 'wx', 0o644)
    this.#options = options
  }

  /** Adds a block; `data` is what is kept of it. Blocks come in the order of their pages. */
  add(block: { page: number; count: number; kept: KeptAs }, data: Uint8Array): void {
    this.#blocks.push({ ...block, stored: data.length, crc: data.length === 0 ? 0 : crc32(data) })
    this.#write(data)
  }

  /** Lets the disk begin, where there is enough for it. To be called now and then. */
  async pace(): Promise<void> {
    if (!this.#options.lasting) return
    // Only this lets us hear that the disk is done with what it had.
    if (this.#unfinished > 0) await new Promise(setImmediate)
    if (this.#unfinished === 0 && this.#position - this.#flushed >= FLUSH_BYTES) this.#flush()
  }

  async finish(memoryBytes: number): Promise<WrittenDifference> {
    this.#write(encodeEnd({ memoryBytes, blocks: this.#blocks }), true)
    const pages = this.#blocks.reduce((sum, { count }) => sum + count, 0)
    if (this.#options.lasting) this.#flush()
    await this.#flushing
    // The disk tells it once, and not whoever syncs the file afterwards.
    if (this.#failure) throw this.#failure
    return { changedBytes: pages * PAGE }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flushing
    closeSync(this.#fd)
  }

  #flush(): void {
    this.#flushed = this.#position
    this.#unfinished++
    this.#flushing = this.#flushing.then(async () => {
      const error = await new Promise<Error | null>((resolve) => fdatasync(this.#fd, resolve))
      this.#failure ??= error ?? undefined
      this.#unfinished--
    })
  }

  #write(data: Uint8Array, isLast = false): void {
    this.#position = writeFully(this.#fd, data, this.#position)
    if (this.#options.progress) reach(this.#options.progress, this.#position, isLast)
  }
}
