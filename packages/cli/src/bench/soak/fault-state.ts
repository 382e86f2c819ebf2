/** Whether the server is as it should be, and whether it was all the time since a moment. */
export class FaultState {
  #isDown = false
  #upSince = 0
  #waiting: (() => void)[] = []

  down(): void {
    this.#isDown = true
  }

  up(): void {
    this.#isDown = false
    this.#upSince = performance.now()
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }

  /** Whether the server was down at any time from then until now. */
  touches(began: number): boolean {
    return this.#isDown || this.#upSince >= began
  }

  /** Resolves when the server is up. */
  async whenUp(): Promise<void> {
    while (this.#isDown) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
