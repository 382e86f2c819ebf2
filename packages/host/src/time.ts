/** How long the parts of a piece of work take, in milliseconds. */
export class Stopwatch {
  readonly #began = performance.now()
  #last = this.#began
  readonly timings: Record<string, number> = {}

  /** Notes what has passed since the last note under a name. */
  lap(name: string): void {
    const now = performance.now()
    this.timings[name] = now - this.#last
    this.#last = now
  }
}
