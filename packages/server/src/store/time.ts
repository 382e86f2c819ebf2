/** How far it may be ahead of the machine's clock, in milliseconds: then that was set back, and is followed. */
const MOST_AHEAD_MS = 1000

let last = 0

/**
 * The present time as ISO text in UTC, to the millisecond. What is made at once gets times one after the other; a clock that
 * is set back is followed.
 */
export function now(): string {
  const present = Date.now()
  last = present > last || last - present > MOST_AHEAD_MS ? present : last + 1
  return new Date(last).toISOString()
}
