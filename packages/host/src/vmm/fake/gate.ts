/** Lets through while it is open; who comes while it is closed waits. */
export class Gate {
  #waiting: (() => void)[] | undefined

  close(): void {
    this.#waiting ??= []
  }

  open(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const go of waiting ?? []) go()
  }

  get isOpen(): boolean {
    return this.#waiting === undefined
  }

  /** How many wait. */
  get queue(): number {
    return this.#waiting?.length ?? 0
  }

  async passed(): Promise<void> {
    if (this.#waiting) await new Promise<void>((resolve) => this.#waiting!.push(resolve))
  }
}
