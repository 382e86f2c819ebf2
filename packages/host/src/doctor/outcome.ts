/** What a check of the doctor says. */
export const severities = ['ok', 'warning', 'error', 'skipped'] as const

export interface Outcome {
  status: (typeof severities)[number]
  /** What was found, in words for a person. */
  text: string
  /** What to do about it. */
  fix?: string
  /** Each thing that it is about, by its name. */
  items?: string[]
}

/** What is less than good, and what to do about it. */
interface Bad {
  fix: string
  items?: string[]
}

export const ok = (text: string, items?: string[]): Outcome => ({ status: 'ok', text, ...(items ? { items } : {}) })
export const warning = (text: string, bad: Bad): Outcome => ({ status: 'warning', text, ...bad })
export const failure = (text: string, bad: Bad): Outcome => ({ status: 'error', text, ...bad })
/** Could not be looked at, for a reason that is none to worry. */
export const skipped = (text: string): Outcome => ({ status: 'skipped', text })

/** `error: message` of whatever was thrown, in one line. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n').slice(-1).join('')
}
