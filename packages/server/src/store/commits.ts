/** What is told of commits: in the order in which they happened, and of nothing that was rolled back. */
export type Tell = () => void

interface Slot {
  tells: Tell[]
  isSettled: boolean
}

/** A transaction that is under way. */
export interface Commit {
  /** Registers what is called once the transaction is committed. */
  add(tell: Tell): void
  /** It is committed: what was registered is told as soon as every earlier transaction has ended. */
  done(): void
  /** It is rolled back: nothing of it is told. */
  undone(): void
}

/**
 * The database runs one transaction at a time, but their callers learn of the ends in any order. So each takes its
 * place when it begins, and is told when all before it are.
 */
export class Commits {
  readonly #slots: Slot[] = []

  /** To be called by a transaction that has the database for itself. */
  begin(): Commit {
    const slot: Slot = { tells: [], isSettled: false }
    this.#slots.push(slot)
    const settle = () => {
      slot.isSettled = true
      this.#flush()
    }
    return {
      add: (tell) => void slot.tells.push(tell),
      done: settle,
      undone: () => {
        slot.tells = []
        settle()
      },
    }
  }

  #flush(): void {
    while (this.#slots[0]?.isSettled) for (const tell of this.#slots.shift()!.tells) tell()
  }
}
