/** What a program has written: agent/PROTOCOL.md, "Sessions", in memory. */
import { Bell } from '../bell.js'

export interface Piece {
  kind: 'stdout' | 'stderr'
  data: Buffer
}

/** A log as plain JSON. */
export interface LogState {
  begin: number
  pieces: { kind: Piece['kind']; base64: string }[]
}

export interface Reader {
  offset: number
  dropped: boolean
  /** What follows the offset. A piece counts as taken when the next is asked for. */
  pieces: AsyncGenerator<Piece>
  leave(): void
}

const SIZE = 262_144

export class Log {
  readonly #pieces: (Piece & { at: number })[] = []
  readonly #readers = new Set<{ offset: number }>()
  readonly #changed = new Bell()
  #end: number
  #isClosed = false

  /** @param size how much is kept, in bytes */
  constructor(
    private readonly size = SIZE,
    { begin, pieces }: LogState = { begin: 0, pieces: [] },
  ) {
    this.#end = begin
    for (const { kind, base64 } of pieces) this.#append({ kind, data: Buffer.from(base64, 'base64') })
  }

  get state(): LogState {
    const pieces = this.#pieces.map(({ kind, data }) => ({ kind, base64: data.toString('base64') }))
    return { begin: this.#begin, pieces }
  }

  /** Resolves when the program may write on: no reader is more than half of the log behind. */
  async write(kind: Piece['kind'], data: Buffer): Promise<void> {
    const most = this.size / 4
    for (let at = 0; at < data.length; at += most) {
      const piece = data.subarray(at, at + most)
      while (!this.#isClosed && this.#ahead() + piece.length > this.size / 2) await this.#changed.rung()
      if (this.#isClosed) return
      this.#append({ kind, data: piece })
      this.#changed.ring()
    }
  }

  /** Everything is written. */
  close(): void {
    this.#isClosed = true
    this.#changed.ring()
  }

  read({ from, tail }: { from?: number | undefined; tail?: number | undefined } = {}): Reader {
    const wanted =
      from === undefined ? (tail === undefined ? 0 : Math.max(0, this.#end - tail)) : Math.min(from, this.#end)
    const reader = { offset: Math.max(wanted, this.#begin) }
    this.#readers.add(reader)
    const leave = () => {
      this.#readers.delete(reader)
      this.#changed.ring()
    }
    return { offset: reader.offset, dropped: reader.offset > wanted, pieces: this.#follow(reader, leave), leave }
  }

  async *#follow(reader: { offset: number }, leave: () => void): AsyncGenerator<Piece> {
    try {
      while (this.#readers.has(reader)) {
        const piece = this.#pieces.findLast(({ at }) => at <= reader.offset)
        const data = piece?.data.subarray(reader.offset - piece.at)
        if (piece && data?.length) {
          yield { kind: piece.kind, data }
          reader.offset += data.length
          this.#changed.ring()
        } else if (this.#isClosed) return
        else await this.#changed.rung()
      }
    } finally {
      leave()
    }
  }

  get #begin(): number {
    return this.#pieces[0]?.at ?? this.#end
  }

  /** How far the program is ahead of the slowest reader. */
  #ahead(): number {
    return this.#readers.size === 0 ? 0 : this.#end - Math.min(...[...this.#readers].map(({ offset }) => offset))
  }

  #append(piece: Piece): void {
    this.#pieces.push({ ...piece, at: this.#end })
    this.#end += piece.data.length
    while (this.#pieces[1] && this.#pieces[1].at <= this.#end - this.size) this.#pieces.shift()
  }
}
