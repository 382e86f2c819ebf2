import type { ErrorCode } from '@wrenn/wire'

/** What the server said of a failure. */
export interface ErrorFacts {
  /** A code of the API's error table, or one of the SDK's own: `connection`, `timeout`, `fork_failed`. */
  code: ErrorCode | 'connection' | 'timeout' | 'fork_failed' | (string & {})
  /** The HTTP status; 0 where there was no answer. */
  status: number
  /** Names the request in the server's log. */
  requestId?: string | undefined
  /** What may be done about it. */
  hint?: string | undefined
  cause?: unknown
}

/** Every error of this SDK. */
export class WrennError extends Error {
  override name = 'WrennError'
  readonly code: ErrorFacts['code']
  readonly status: number
  readonly requestId: string | undefined
  readonly hint: string | undefined

  constructor(message: string, { code, status, requestId, hint, cause }: ErrorFacts) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.status = status
    this.requestId = requestId
    this.hint = hint
  }
}

/** A value is wrong. */
export class WrennValidationError extends WrennError {
  override name = 'WrennValidationError'
}
/** The API key is missing or wrong. */
export class WrennAuthenticationError extends WrennError {
  override name = 'WrennAuthenticationError'
}
/** The key is good, but this is not allowed. */
export class WrennForbiddenError extends WrennError {
  override name = 'WrennForbiddenError'
}
/** There is no such thing. */
export class WrennNotFoundError extends WrennError {
  override name = 'WrennNotFoundError'
}
/** The name is taken, or the capsule's state does not allow this. */
export class WrennConflictError extends WrennError {
  override name = 'WrennConflictError'
}
/** The program inside the capsule failed, timed out or did not answer. */
export class WrennAgentError extends WrennError {
  override name = 'WrennAgentError'
}
/** The server failed. */
export class WrennInternalError extends WrennError {
  override name = 'WrennInternalError'
}
/** The host that runs the capsule cannot do this now. */
export class WrennHostUnavailableError extends WrennError {
  override name = 'WrennHostUnavailableError'
}
/** There was no answer: nothing listens there, or the connection broke. */
export class WrennConnectionError extends WrennError {
  override name = 'WrennConnectionError'
}
/** There was no answer in time. */
export class WrennTimeoutError extends WrennError {
  override name = 'WrennTimeoutError'
}

const classes: Partial<Record<string, new (message: string, facts: ErrorFacts) => WrennError>> = {
  invalid_request: WrennValidationError,
  unauthorized: WrennAuthenticationError,
  forbidden: WrennForbiddenError,
  not_found: WrennNotFoundError,
  conflict: WrennConflictError,
  name_reserved: WrennConflictError,
  invalid_state: WrennConflictError,
  internal_error: WrennInternalError,
  agent_error: WrennAgentError,
  host_unavailable: WrennHostUnavailableError,
}

/** The error of an answer, in the class that its code has. */
export function errorOf(message: string, facts: ErrorFacts): WrennError {
  return new (classes[facts.code] ?? WrennError)(message, facts)
}

/** Reads an error answer; one that is not the API's still says what came. */
export async function errorOfResponse(response: Response): Promise<WrennError> {
  const text = await response.text().catch(() => '')
  const { status } = response
  const requestId = response.headers.get('x-request-id') ?? undefined
  try {
    const { error } = JSON.parse(text) as {
      error: { code: string; message: string; hint?: string; request_id?: string }
    }
    return errorOf(error.message, {
      code: error.code,
      status,
      hint: error.hint,
      requestId: error.request_id ?? requestId,
    })
  } catch {
    return strangeAnswer(text, { status, requestId })
  }
}

/** The error of an answer that is not the API's: another server's page, say. */
export function strangeAnswer(
  text: string,
  { status, requestId }: Pick<ErrorFacts, 'status' | 'requestId'>,
): WrennError {
  const beginning = text.slice(0, 200).trim()
  return errorOf(`The server answered ${status}${beginning ? `: ${beginning}` : ''}`, {
    code: `http_${status}`,
    status,
    requestId,
  })
}
