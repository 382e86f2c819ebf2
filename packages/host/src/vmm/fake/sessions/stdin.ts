/** A pipe to a program: whoever writes waits while it is full. */
import { Bell } from '../bell.js'
import { FakeError } from '../failure.js'

const PIPE = 64 * 1024

export class Stdin {
  readonly #waiting: Buffer[] = []
  readonly #changed = new Bell()
  #size = 0
  #isClosed = false

  constructor(isOpen: boolean) {
    this.#isClosed = !isOpen
  }

  get isOpen(): boolean {
    return !this.#isClosed
  }

  async write(data: Buffer): Promise<void> {
    while (this.isOpen && this.#size >= PIPE) await this.#changed.rung()
    if (!this.isOpen) throw new FakeError('closed', 'The stdin of the program is closed.')
    this.#waiting.push(data)
    this.#size += data.length
    this.#changed.ring()
  }

  /** Nothing more is written; what waits is still read. */
  end(): void {
    this.#isClosed = true
    this.#changed.ring()
  }

  /** What is written, until its end or until somebody else is to read. */
  async *read(until: AbortSignal): AsyncGenerator<Buffer> {
    const onAbort = () => this.#changed.ring()
    until.addEventListener('abort', onAbort)
    try {
      while (!until.aborted) {
        const data = this.#waiting.shift()
        if (data) {
          this.#size -= data.length
          this.#changed.ring()
          yield data
        } else if (this.#isClosed) return
        else await this.#changed.rung()
      }
    } finally {
      until.removeEventListener('abort', onAbort)
    }
  }
}
