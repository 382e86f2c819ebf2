/** Wakes whoever waits for anything to change; they look for themselves what it was. */
export class Bell {
  #waiting: (() => void)[] = []

  ring(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** Resolves at the next ring. */
  rung(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
