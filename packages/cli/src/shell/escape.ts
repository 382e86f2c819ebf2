const [NEWLINE, RETURN, TILDE, DOT] = [10, 13, 126, 46]

/**
 * Finds the escape in what is typed: `~.` at the beginning of a line, as with ssh. `~~` there means a `~`; anything else
 * behind a `~` is typed as it is.
 */
export class Escape {
  #at: 'start' | 'tilde' | 'line' = 'start'

  /** @returns what is to be sent, and whether the escape was typed; what follows it is for nobody */
  take(typed: Uint8Array): { send: Uint8Array; escaped: boolean } {
    const send: number[] = []
    for (const byte of typed) {
      if (this.#at === 'tilde' && byte === DOT) return { send: Uint8Array.from(send), escaped: true }
      if (this.#at === 'start' && byte === TILDE) {
        this.#at = 'tilde'
        continue
      }
      if (this.#at === 'tilde' && byte !== TILDE) send.push(TILDE)
      send.push(byte)
      this.#at = byte === RETURN || byte === NEWLINE ? 'start' : 'line'
    }
    return { send: Uint8Array.from(send), escaped: false }
  }
}
