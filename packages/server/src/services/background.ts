/** Work that is not tied to the request that began it, kept track of so that others can wait for its end. */
export class Background {
  readonly #underWay = new Map<string, Promise<unknown>>()

  /** Runs `work` under the id of the capsule that it is about; its result is the work's own. */
  run<T>(capsuleId: string, work: () => Promise<T>): Promise<T> {
    const running = work()
    // Two works overlap when a capsule ends by itself: what was done to it goes on while it is deleted.
    const before = this.#underWay.get(capsuleId)
    const ended = Promise.all([before, running.then(ignore, ignore)]).finally(() => {
      if (this.#underWay.get(capsuleId) === ended) this.#underWay.delete(capsuleId)
    })
    this.#underWay.set(capsuleId, ended)
    return running
  }

  /** Resolves when what is under way on a capsule has ended, whichever way. */
  async settled(capsuleId: string): Promise<void> {
    await this.#underWay.get(capsuleId)
  }

  /** Resolves when everything that is under way now has ended. */
  async allSettled(): Promise<void> {
    await Promise.all(this.#underWay.values())
  }
}

function ignore(): void {}
