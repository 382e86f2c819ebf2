let last = 0

/**
 * The present time as ISO text in UTC, to the millisecond. Never the same twice, so that "newest first" is an order
 * even for what is made at once.
 */
export function now(): string {
  last = Math.max(last + 1, Date.now())
  return new Date(last).toISOString()
}
