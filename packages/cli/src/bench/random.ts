/** Random numbers that a seed repeats. */
export class Random {
  #state: number

  constructor(readonly seed: number) {
    this.#state = seed >>> 0
  }

  /** Below `end`, from 0. */
  below(end: number): number {
    // Mulberry32: small, and good enough to choose by.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  /** One of those that are offered, by their weights. */
  weighted<T>(offers: readonly (readonly [weight: number, offer: T])[]): T {
    let at = this.below(offers.reduce((sum, [weight]) => sum + weight, 0))
    return offers.find(([weight]) => (at -= weight) < 0)![1]
  }

  /** Bytes that do not compress. */
  bytes(length: number): Buffer {
    const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => this.below(0x1_0000_0000))
    return Buffer.from(words.buffer, 0, length)
  }
}
