/** What a program does to a terminal and leaves behind when it is left in the middle: modes, by their numbers. */
const ALTERNATE_SCREEN = ['47', '1047', '1049']
/** Application cursor keys, mouse, focus, pasting. */
const MODES = ['1', '1000', '1002', '1003', '1004', '1005', '1006', '1015', '2004', ...ALTERNATE_SCREEN]

// They begin with the escape character.
const CUT_OFF = new RegExp(String.raw`\x1b(?:\[(?:\?[0-9;]{0,32})?)?$`)
const SET_OR_RESET = new RegExp(String.raw`\x1b\[\?([0-9;]{1,32})([hl])`, 'g')

/** Watches what a program prints, to undo what it did to the terminal. */
export class Screen {
  readonly #on = new Set<string>()
  #isHidden = false
  #rest = ''

  saw(bytes: Uint8Array): void {
    const text = this.#rest + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    // A sequence may be cut in two.
    this.#rest = CUT_OFF.exec(text)?.[0] ?? ''
    for (const [, numbers, how] of text.matchAll(SET_OR_RESET))
      for (const mode of numbers!.split(';')) {
        if (mode === '25') this.#isHidden = how === 'l'
        else if (how === 'h' && MODES.includes(mode)) this.#on.add(mode)
        else this.#on.delete(mode)
      }
  }

  /** What puts the terminal back: nothing where nothing was done. */
  undo(): string {
    const modes = [...this.#on].map((mode) => `\x1b[?${mode}l`).join('')
    return `${modes}${this.#isHidden ? '\x1b[?25h' : ''}\x1b[0m`
  }
}
