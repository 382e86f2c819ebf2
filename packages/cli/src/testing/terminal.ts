import { PassThrough } from 'node:stream'
import type { Size, Terminal } from '../shell/terminal.js'

/** A terminal with nobody at it. */
export interface FakeTerminal extends Terminal {
  input: PassThrough
  output: PassThrough
  isRaw: boolean
  /** How often it was made raw. */
  times: number
  resizeTo(size: Size): void
  /** Resolves when so much has been shown. */
  shows(text: string): Promise<void>
  shown(): string
}

export function fakeTerminal(): FakeTerminal {
  let size = { cols: 100, rows: 30 }
  let text = ''
  const changes = new Set<() => void>()
  const output = new PassThrough()
  output.on('data', (data: Buffer) => (text += data.toString()))
  const terminal: FakeTerminal = {
    input: new PassThrough(),
    output,
    isRaw: false,
    times: 0,
    size: () => size,
    onResize(changed) {
      changes.add(changed)
      return () => void changes.delete(changed)
    },
    raw() {
      terminal.isRaw = true
      terminal.times++
      return () => {
        terminal.isRaw = false
      }
    },
    resizeTo(given) {
      size = given
      for (const changed of changes) changed()
    },
    shown: () => text,
    shows: (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          if (!text.includes(wanted)) return
          output.off('data', look)
          resolve()
        }
        output.on('data', look)
        look()
      }),
  }
  return terminal
}
