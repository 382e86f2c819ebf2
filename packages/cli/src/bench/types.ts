/** What is measured, as data. */
import type { Lab } from './lab.js'

export type Unit = 'ms' | 'bytes'

export interface Aim {
  atMost: number
  /** Of the ratio to the reference, or of the value itself. */
  of: 'ratio' | 'value'
}

/** A line of the result. */
export interface Row {
  id: string
  title: string
  unit: Unit
  /** What it is compared with; absent for a figure that stands alone. */
  reference?: string
  aim?: Aim
}

/** One measurement of a row, with its reference of the same moment. */
export interface Sample {
  row: string
  value: number
  reference?: number
}

/** A figure that is ready to be measured. */
export interface Ready {
  round(): Promise<Sample[]>
  /** Rows that cannot be measured here, with the reason. */
  skipped?: Record<string, string>
  /** Gives back what is neither a capsule nor a template; those are removed anyway. */
  close?(): Promise<void>
}

/** Rows that are measured together. */
export interface Figure {
  name: string
  rows: Row[]
  /** How often it is measured instead; such a figure is not warmed up. */
  rounds?: number
  open(lab: Lab): Promise<Ready>
}
