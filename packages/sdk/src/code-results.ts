/** What a cell of code comes to. */

/** Representations of one value, by their MIME types. */
export type MimeBundle = Record<string, unknown>

/** A value, table or picture, in each form that it has. Pictures and PDFs are base64. */
export interface Result {
  text?: string
  html?: string
  markdown?: string
  svg?: string
  png?: string
  jpeg?: string
  gif?: string
  pdf?: string
  latex?: string
  javascript?: string
  json?: unknown
  plotly?: unknown
  /** The forms that have no name of their own, by their MIME types. */
  extra?: MimeBundle
  /** Whether it is the value of the cell's last expression, rather than something that was displayed. */
  isMainResult: boolean
}

/** An exception. When the time ran out its name is `Timeout`, when the kernel ended `KernelDied`. */
export interface ExecutionError {
  name: string
  value: string
  /** With terminal colours, where there is one. */
  traceback: string
}

export interface Execution {
  /** In the order in which they came. */
  results: Result[]
  /** What was printed, in the pieces in which it came. */
  logs: { stdout: string[]; stderr: string[] }
  /** Why the cell did not come to its end. */
  error?: ExecutionError
  /** The number of the cell in its kernel, from 1. */
  executionCount?: number
  /** The value of the last expression as text. */
  text?: string
  /** Whether it was interrupted because its time was over. */
  timedOut: boolean
}

const fields = {
  'text/plain': 'text',
  'text/html': 'html',
  'text/markdown': 'markdown',
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/gif': 'gif',
  'application/pdf': 'pdf',
  'text/latex': 'latex',
  'application/javascript': 'javascript',
  'application/json': 'json',
  'application/vnd.plotly.v1+json': 'plotly',
} as const satisfies Record<string, keyof Result>

/** A MIME bundle with names for what is usual. */
export function resultOf(bundle: MimeBundle, isMainResult: boolean): Result {
  const named: Record<string, unknown> = {}
  const extra: MimeBundle = {}
  for (const [mime, value] of Object.entries(bundle)) {
    if (Object.hasOwn(fields, mime)) named[fields[mime as keyof typeof fields]] = value
    else extra[mime] = value
  }
  return { ...named, ...(Object.keys(extra).length > 0 ? { extra } : {}), isMainResult }
}
