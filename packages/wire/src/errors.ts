/** The one table of error codes. What a code means, its HTTP status and what may be done about it live here alone. */

interface ErrorEntry {
  readonly status: number
  /** Whether the same request may succeed later without any change by the caller. */
  readonly retryable: boolean
  readonly meaning: string
}

export const errorTable = {
  invalid_request: { status: 400, retryable: false, meaning: 'The request is malformed or a value is out of range.' },
  unauthorized: { status: 401, retryable: false, meaning: 'The API key is missing, wrong, expired or revoked.' },
  forbidden: { status: 403, retryable: false, meaning: 'The key is good, but this is not allowed.' },
  not_found: { status: 404, retryable: false, meaning: 'No such thing, or it belongs to another team.' },
  method_not_allowed: { status: 405, retryable: false, meaning: 'The path exists, but not with this method.' },
  conflict: { status: 409, retryable: false, meaning: 'The name is taken or the thing exists already.' },
  name_reserved: { status: 409, retryable: false, meaning: 'The name belongs to a platform template.' },
  invalid_state: { status: 409, retryable: false, meaning: 'The capsule is not in a state that allows this.' },
  too_large: { status: 413, retryable: false, meaning: 'The body or the file is larger than allowed.' },
  rate_limited: { status: 429, retryable: true, meaning: 'Too many requests.' },
  internal_error: {
    status: 500,
    retryable: false,
    meaning: 'Something failed on the server; its log has the details.',
  },
  template_corrupt: { status: 500, retryable: false, meaning: 'A stored template is damaged and will not be started.' },
  agent_error: { status: 502, retryable: false, meaning: 'The program inside the capsule failed or did not answer.' },
  host_unavailable: { status: 503, retryable: true, meaning: 'The host that runs the capsule cannot be reached.' },
  no_hosts_available: { status: 503, retryable: true, meaning: 'No host has room for this capsule now.' },
  insufficient_storage: { status: 507, retryable: true, meaning: 'There is not enough disk space.' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

/** Every error code, in the order of the table. */
export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]

export interface ProblemOptions {
  /** What a stranger could do about it. */
  hint?: string | undefined
  /** After how many seconds the same request may succeed, where that is known. */
  retryAfterSec?: number | undefined
  /** What caused it; for the log only, it never reaches a client. */
  cause?: unknown
}

/**
 * A failure whose message may be shown to the client. Anything else that is thrown becomes `internal_error` with a
 * neutral message.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly hint: string | undefined
  readonly retryAfterSec: number | undefined

  constructor(
    readonly code: ErrorCode,
    message: string,
    { hint, retryAfterSec, cause }: ProblemOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.hint = hint
    this.retryAfterSec = retryAfterSec
  }

  get status(): number {
    return errorTable[this.code].status
  }
}

/** Whether `error` is a Problem, told by its code, so that it holds across copies of this module. */
export function isProblem(error: unknown): error is Problem {
  return error instanceof Error && error.name === 'Problem' && 'code' in error && String(error.code) in errorTable
}

/** The Problem in `error`, or an `internal_error` that hides it from the client and keeps it as the cause. */
export function toProblem(error: unknown): Problem {
  return isProblem(error) ? error : new Problem('internal_error', 'The server failed to do this.', { cause: error })
}
