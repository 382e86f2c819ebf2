/** What is counted: operations and how long they took, errors by code, and whatever should not be. */
import { WrennError } from 'wrenn'
import type { FaultState } from './fault-state.js'

/** Why an error came. `refused`: there was no room, which is an answer like others. */
export type Why = 'fault' | 'refused' | 'unexpected'

export interface ErrorCount {
  kind: string
  code: string
  why: Why
  count: number
  /** The words of the first. */
  example: string
}

const refusals = ['no_hosts_available', 'insufficient_storage', 'rate_limited']

/** An operation failed and is counted; what it left has to be looked at. */
export class Failed extends Error {}

/** Something is not what it has to be. */
export class Wrong extends Error {}

export class Tally {
  readonly samples = new Map<string, number[]>()
  readonly errors = new Map<string, ErrorCount>()
  /** Contents that were not what they had to be, and what was lost, in words. */
  readonly wrong: string[] = []
  operations = 0

  constructor(private readonly faults: FaultState) {}

  /**
   * Does what `work` does and counts it. `mayFail`: whether an error of this code is no surprise.
   * @throws {Failed}
   */
  async timed<T>(kind: string, work: () => Promise<T>, mayFail: (code: string) => boolean = () => false): Promise<T> {
    const began = performance.now()
    try {
      const result = await work()
      this.#took(kind, performance.now() - began)
      return result
    } catch (error) {
      if (error instanceof Wrong) throw error
      const code = error instanceof WrennError ? error.code : String((error as Error).name)
      if (!mayFail(code)) this.#failed(kind, code, { error, began })
      throw new Failed(`${kind}: ${code}`)
    } finally {
      this.operations++
    }
  }

  #took(kind: string, ms: number): void {
    const samples = this.samples.get(kind) ?? []
    samples.push(ms)
    this.samples.set(kind, samples)
  }

  #failed(kind: string, code: string, { error, began }: { error: unknown; began: number }): void {
    const why = refusals.includes(code) ? 'refused' : this.faults.touches(began) ? 'fault' : 'unexpected'
    const id = `${kind} ${code} ${why}`
    const known = this.errors.get(id) ?? { kind, code, why, count: 0, example: wordsOf(error) }
    this.errors.set(id, { ...known, count: known.count + 1 })
  }
}

function wordsOf(error: unknown): string {
  const { message, requestId } = error as { message?: string; requestId?: string }
  return `${message ?? String(error)}${requestId ? ` (${requestId})` : ''}`
}
