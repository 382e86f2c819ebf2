/** A terminal: shows what is typed, and gives it to the program line by line. */
import type { TerminalSize } from '@wrenn/wire'
import { Bell } from '../bell.js'
import { FakeError } from '../failure.js'
import type { Stdin } from './stdin.js'

const CTRL_C = '\x03'
const CTRL_D = '\x04'

export class Terminal {
  readonly resized = new Bell()
  /** What Ctrl-C does. */
  onInterrupt: () => void
  #line = ''

  constructor(
    public size: TerminalSize,
    private readonly parts: { stdin: Stdin; show: (text: string) => Promise<void>; interrupt: () => void },
  ) {
    this.onInterrupt = parts.interrupt
  }

  resize(size: TerminalSize): void {
    if (size.cols < 1 || size.rows < 1)
      throw new FakeError('invalid', 'A terminal has at least one column and one row.')
    this.size = size
    this.resized.ring()
  }

  async type(data: Buffer): Promise<void> {
    for (const key of data.toString()) await this.#key(key)
  }

  async #key(key: string): Promise<void> {
    const { stdin, show } = this.parts
    if (key === CTRL_C) {
      this.#line = ''
      await show('^C\n')
      this.onInterrupt()
    } else if (key === CTRL_D) {
      if (this.#line === '') stdin.end()
    } else if (key === '\r' || key === '\n') {
      await show('\n')
      const line = this.#line
      this.#line = ''
      await stdin.write(Buffer.from(`${line}\n`))
    } else {
      this.#line += key
      await show(key)
    }
  }
}
