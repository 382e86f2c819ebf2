/** A failure with one of the agent's error codes. */
export class FakeError extends Error {
  constructor(
    readonly code: keyof typeof statuses,
    message: string,
  ) {
    super(message)
  }
}

/** The status of an answer with such a code. */
export const statuses = {
  invalid: 400,
  not_found: 404,
  exists: 409,
  is_directory: 409,
  not_directory: 409,
  not_executable: 409,
  closed: 409,
  io: 500,
  refused: 502,
  exhausted: 503,
} as const
