import { createHash, randomBytes } from 'node:crypto'
import { Problem } from '@wrenn/wire'
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'

/** In seconds. */
const WINDOW = 60
/** How many failed authentications are told apart by address; more of them share what they may. */
const MOST_ADDRESSES = 4096

export interface Rates {
  /** The most requests of one key within a minute. Default: any number. */
  perKey?: number | undefined
  /** The most wrong keys and tokens from one address within a minute, before it is told to wait. Default 30. */
  failures?: number | undefined
}

/** How often something may be asked for. Both counts are of this process, and begin anew with it. */
export class Limits {
  readonly #asked: RateLimiterMemory | undefined
  readonly #failed: RateLimiterMemory
  /** Nobody outside can choose who shares with whom. */
  readonly #salt = randomBytes(16)

  constructor({ perKey, failures = 30 }: Rates) {
    this.#asked = perKey === undefined ? undefined : new RateLimiterMemory({ points: perKey, duration: WINDOW })
    this.#failed = new RateLimiterMemory({ points: failures, duration: WINDOW })
  }

  /** Counts a request of a key. @throws Problem `rate_limited` */
  async asked(keyId: string): Promise<void> {
    const after = this.#asked && (await exceeded(this.#asked, keyId))
    if (after !== undefined)
      throw new Problem('rate_limited', 'This API key makes more requests than it may.', {
        hint: `It may make ${this.#asked!.points} a minute. Try again in ${after} s.`,
        retryAfterSec: after,
      })
  }

  /**
   * Counts a wrong key. Right ones are never refused for it, whoever else is behind the same address: nobody can lock
   * others out.
   * @throws Problem `rate_limited`
   */
  async failed(address: string): Promise<void> {
    const after = await exceeded(this.#failed, this.#groupOf(address))
    if (after !== undefined)
      throw new Problem('rate_limited', 'Too many wrong keys came from this address.', {
        hint: `A right key is taken at any time; a wrong one is looked at again in ${after} s.`,
        retryAfterSec: after,
      })
  }

  /** Memory is bounded, however many addresses somebody has. */
  #groupOf(address: string): string {
    const digest = createHash('sha256').update(this.#salt).update(address).digest()
    return String(digest.readUInt32BE() % MOST_ADDRESSES)
  }
}

/** Counts one more. @returns after how many seconds there is room again, when it was too many */
async function exceeded(limiter: RateLimiterMemory, id: string): Promise<number | undefined> {
  try {
    await limiter.consume(id)
    return undefined
  } catch (error) {
    if (error instanceof Error) throw error
    // It is told by the machine's clock, which may have been set back; the window itself ends by a timer.
    return Math.min(WINDOW, Math.max(1, Math.ceil((error as RateLimiterRes).msBeforeNext / 1000)))
  }
}
