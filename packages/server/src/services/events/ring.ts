/** How many of a team's last events are remembered, and how many characters of them. */
const MOST = 1000
const MOST_CHARACTERS = 4 * 1024 * 1024

/** The last events of a team, as they are sent, numbered from 1 on. All who read share it. */
export class Ring {
  readonly #texts: string[] = []
  #characters = 0
  #first = 1

  /** The number of the oldest that is remembered. */
  get first(): number {
    return this.#first
  }

  /** The number that the next one will have. */
  get next(): number {
    return this.#first + this.#texts.length
  }

  add(text: string): void {
    this.#texts.push(text)
    this.#characters += text.length
    while (this.#texts.length > MOST || this.#characters > MOST_CHARACTERS) {
      this.#characters -= this.#texts.shift()!.length
      this.#first++
    }
  }

  at(number: number): string | undefined {
    return this.#texts[number - this.#first]
  }
}
