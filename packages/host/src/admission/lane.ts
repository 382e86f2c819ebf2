/** So many at once; others wait, but neither too many nor for too long. */
import { Problem } from '@wrenn/wire'
import pLimit from 'p-limit'

export interface LaneRules {
  /** How many are under way at once. */
  atOnce: number
  /** How many may wait. */
  mostWaiting: number
  /** How long one waits at most, in milliseconds. */
  waitMs: number
  /** What those are that wait, as in "too many starts". */
  what: string
}

/** After how many seconds there may be room again. */
const RETRY_SEC = 5

export class Lane {
  readonly #limit: ReturnType<typeof pLimit>
  /** How many are under way or wait. */
  #count = 0

  constructor(private readonly rules: LaneRules) {
    this.#limit = pLimit(rules.atOnce)
  }

  /** How many wait. */
  get waiting(): number {
    return this.#limit.pendingCount
  }

  /** @throws Problem `no_hosts_available` when so many more would be too many */
  assertRoom(count: number): void {
    const { atOnce, mostWaiting } = this.rules
    if (this.#count + count > atOnce + mostWaiting) throw this.#crowded()
  }

  /** Does `work` when it is its turn. @throws Problem `no_hosts_available`; then `work` was not and will not be begun */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.assertRoom(1)
    return new Promise((resolve, reject) => {
      let isGivenUp = false
      const giveUp = () => {
        isGivenUp = true
        reject(this.#crowded())
      }
      this.#count++
      const timer = setTimeout(giveUp, this.rules.waitMs)
      void this.#limit(async () => {
        clearTimeout(timer)
        const turn = isGivenUp ? undefined : work()
        await turn?.catch(() => {})
        this.#count--
        turn?.then(resolve, reject)
      })
    })
  }

  #crowded(): Problem {
    return new Problem('no_hosts_available', `Too many ${this.rules.what} are under way on this host.`, {
      hint: 'Nothing was begun. Try again in a few seconds, with fewer at once.',
      retryAfterSec: RETRY_SEC,
    })
  }
}
