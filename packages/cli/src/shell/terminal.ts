import type { Readable, Writable } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'

export interface Size {
  cols: number
  rows: number
}

/** What a person sits at. */
export interface Terminal {
  input: Readable
  output: Writable
  size(): Size
  /** Says when its size has changed; returns what ends that. */
  onResize(changed: () => void): () => void
  /** Hands every key over as it is pressed, Ctrl-C too; returns what puts the terminal back as it was. */
  raw(): () => void
}

/** The terminal of this process. */
export function terminalOf(input: ReadStream, output: WriteStream): Terminal {
  return {
    input,
    output,
    size: () => ({ cols: output.columns || 80, rows: output.rows || 24 }),
    onResize(changed) {
      output.on('resize', changed)
      return () => void output.off('resize', changed)
    },
    raw() {
      const restore = () => void input.setRawMode(false)
      // Also when this program fails in a way that nothing else sees.
      process.once('exit', restore)
      input.setRawMode(true)
      return () => {
        process.off('exit', restore)
        restore()
        // Whoever reads a terminal keeps the program alive.
        input.pause()
      }
    },
  }
}
