/** One at a time for each id: what is done to a snapshot's files, and what takes links of them. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs `work` when everything that was asked for before under this id has ended. */
  async run<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(id) ?? Promise.resolve()
    const running = before.then(work)
    const ended = running.then(
      () => {},
      () => {},
    )
    this.#last.set(id, ended)
    try {
      return await running
    } finally {
      if (this.#last.get(id) === ended) this.#last.delete(id)
    }
  }
}
