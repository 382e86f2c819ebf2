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

/** Measures figures. One that fails says why in its results, and the others go on. Ctrl-C is a failure of what is left. */
export async function measure(lab: Lab, { figures, rounds, tell }: Measure): Promise<Result[]> {
  const results: Result[] = []
  for (const figure of figures) {
    if (lab.signal.aborted) {
      results.push(...resultsOf(figure, { samples: [], failure: whatIs(lab.signal.reason) }))
      continue
    }
    const outcome = await outcomeOf(figure, lab, { rounds, tell })
    const uncleared = await clear(lab.client).then(() => undefined, whatIs)
    results.push(...resultsOf(figure, { ...outcome, failure: outcome.failure ?? uncleared }))
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
        lab.signal.throwIfAborted()
        tell(`${figure.name}: round ${round} of ${count}`)
        samples.push(...(await ready.round()))
      }
    } finally {
      await ready.close?.()
    }
    return { samples, skipped }
  } catch (error) {
    return { samples, skipped, failure: whatIs(lab.signal.aborted ? lab.signal.reason : error) }
  }
}

/** An error with what caused it, in one line. */
export function whatIs(error: unknown): string {
  const said: string[] = []
  for (let one = error; one instanceof Error; one = one.cause) said.push(one.message)
  return said.length > 0 ? said.join(' ').replace(/\s+/g, ' ') : String(error)
}
