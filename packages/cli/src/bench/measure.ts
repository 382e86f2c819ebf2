/** The run of figures, one after the other. */
import { clear, type Lab } from './lab.js'
import { resultsOf, type Outcome, type Result } from './result.js'
import type { Figure, Sample } from './types.js'

export interface Measure {
  figures: readonly Figure[]
  rounds: number
  /** Told what is going on. */
  tell: (text: string) => void
}

/** Measures figures. One that fails says why in its results, and the others go on. */
export async function measure(lab: Lab, { figures, rounds, tell }: Measure): Promise<Result[]> {
  const results: Result[] = []
  for (const figure of figures) {
    results.push(...resultsOf(figure, await outcomeOf(figure, lab, { rounds, tell })))
    lab.signal.throwIfAborted()
    await clear(lab.client)
  }
  return results
}

async function outcomeOf(figure: Figure, lab: Lab, { rounds, tell }: Omit<Measure, 'figures'>): Promise<Outcome> {
  const samples: Sample[] = []
  let skipped: Outcome['skipped']
  try {
    tell(`${figure.name}: getting ready`)
    const ready = await figure.open(lab)
    skipped = ready.skipped
    try {
      // What is there only after the first time is no part of any figure.
      if (figure.rounds === undefined) await ready.round()
      const count = figure.rounds ?? rounds
      for (let round = 1; round <= count; round++) {
        tell(`${figure.name}: round ${round} of ${count}`)
        samples.push(...(await ready.round()))
      }
    } finally {
      await ready.close?.()
    }
    return { samples, skipped }
  } catch (error) {
    lab.signal.throwIfAborted()
    return { samples, skipped, failure: whatIs(error) }
  }
}

/** An error with what caused it, in one line. */
export function whatIs(error: unknown): string {
  const said: string[] = []
  for (let one = error; one instanceof Error; one = one.cause) said.push(one.message)
  return said.length > 0 ? said.join(' ').replace(/\s+/g, ' ') : String(error)
}
