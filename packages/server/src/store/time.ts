/** A clock that loses as much at once against the time that has passed, in milliseconds, was set back. */
const SET_BACK_MS = 1000

let last = 0
/** What the machine's clock is ahead of the time that has passed. */
let ahead = -Infinity

/**
 * The present time as ISO text in UTC, to the millisecond. What is made at once gets times one after the other; a clock that
 * is set back is followed.
 */
export function now(): string {
  const present = Date.now()
  const before = ahead
  ahead = present - performance.now()
  last = present > last || before - ahead > SET_BACK_MS ? present : last + 1
  return new Date(last).toISOString()
}
