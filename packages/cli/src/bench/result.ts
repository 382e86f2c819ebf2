/** What came of a row. */
import { summarize, type Summary } from './statistics.js'
import type { Aim, Figure, Row, Sample } from './types.js'

export interface Result extends Row {
  figure: string
  measured?: Summary
  referenceMeasured?: Summary
  /** Of the medians. */
  ratio?: number
  /** Whether the aim is met; absent where there is none. */
  met?: boolean
  /** Why there is no result, or not of all rounds. */
  failure?: string
  /** Why it was not measured here. */
  skipped?: string
}

export interface Outcome {
  samples: Sample[]
  skipped?: Record<string, string> | undefined
  failure?: string | undefined
}

/** Makes the results of a figure's rows of what was measured. */
export function resultsOf({ name, rows }: Figure, { samples, skipped = {}, failure }: Outcome): Result[] {
  return rows.map((row) => {
    const mine = samples.filter((sample) => sample.row === row.id)
    const why = skipped[row.id]
    return {
      figure: name,
      ...row,
      ...(mine.length > 0 ? measuredOf(row, mine) : {}),
      ...(why !== undefined ? { skipped: why } : failure !== undefined ? { failure } : {}),
    }
  })
}

function measuredOf({ aim }: Row, samples: Sample[]): Partial<Result> {
  const measured = summarize(samples.map(({ value }) => value))
  const references = samples.flatMap(({ reference }) => (reference === undefined ? [] : [reference]))
  const referenceMeasured = references.length > 0 ? summarize(references) : undefined
  const ratio = referenceMeasured && measured.median / referenceMeasured.median
  const met = aim && isMet(aim, { value: measured.median, ratio })
  return {
    measured,
    ...(referenceMeasured && { referenceMeasured }),
    ...(ratio !== undefined && { ratio }),
    ...(met !== undefined && { met }),
  }
}

function isMet(aim: Aim, { value, ratio }: { value: number; ratio: number | undefined }): boolean | undefined {
  if (aim.of === 'value') return value <= aim.atMost
  return ratio === undefined ? undefined : ratio <= aim.atMost
}
