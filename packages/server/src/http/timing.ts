import type { Timings } from '@wrenn/wire'

/** What is not allowed in the name of a metric. */
const NOT_IN_NAMES = /[^!#$%&'*+.^_`|~0-9A-Za-z-]/g

/** The value of the header Server-Timing: how long the parts took, and all of it, in milliseconds. */
export function serverTiming(timings: Timings, total: number): string {
  return Object.entries({ ...timings, total })
    .map(([name, ms]) => `${name.replaceAll(NOT_IN_NAMES, '_')};dur=${Number(ms.toFixed(1))}`)
    .join(', ')
}
