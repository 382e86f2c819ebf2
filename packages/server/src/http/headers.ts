/** What every answer of the API tells browsers, errors and documents included. */

/** Nothing of an answer is a page of ours, may be kept, or tells others where it came from. */
export const safety = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const

/** A browser that has come over TLS does not come without any more, for a year. */
export const strictTransport = { 'strict-transport-security': 'max-age=31536000' } as const

/** What the page of the documentation needs: its own scripts and styles. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
