/** Places in a double at which a test makes calls fail or wait. */
export class Faults<Point extends string> {
  readonly #failures = new Map<Point, Error[]>()
  readonly #gates = new Map<Point, Gate>()

  /** The next call at `point` that has not been told so already fails with `error`. */
  failNext(point: Point, error: Error): void {
    this.#failures.set(point, [...(this.#failures.get(point) ?? []), error])
  }

  /** Calls at `point` wait until the gate is opened. */
  hold(point: Point): Gate {
    const gate = new Gate()
    this.#gates.set(point, gate)
    return gate
  }

  /** What a double calls on its way. */
  async pass(point: Point): Promise<void> {
    await this.#gates.get(point)?.wait()
    const [failure, ...rest] = this.#failures.get(point) ?? []
    this.#failures.set(point, rest)
    if (failure !== undefined) throw failure
  }
}

export class Gate {
  #open: () => void = () => {}
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve))
  /** How many calls came to it. */
  arrived = 0

  async wait(): Promise<void> {
    this.arrived++
    await this.#opened
  }

  open(): void {
    this.#open()
  }
}
