import { Problem } from '@wrenn/wire'

/** Counts who is with which capsule. */
export class Crowd {
  readonly #counts = new Map<string, number>()

  constructor(private readonly most: number) {}

  /** @returns what is called, once, when they leave @throws Problem `host_unavailable` when too many are there */
  enter(capsuleId: string): () => void {
    const count = this.#counts.get(capsuleId) ?? 0
    if (count >= this.most)
      throw new Problem('host_unavailable', 'Too many connections to this capsule are open.', { hint: 'Try later.' })
    this.#counts.set(capsuleId, count + 1)
    return () => {
      const left = this.#counts.get(capsuleId)! - 1
      if (left > 0) this.#counts.set(capsuleId, left)
      else this.#counts.delete(capsuleId)
    }
  }
}
