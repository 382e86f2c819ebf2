/** How long the parts of a call took on the server, in milliseconds, by their names. */
export type Timings = Readonly<Record<string, number>>

/** A metric of a Server-Timing header: its name, and its parameters with values bare or quoted. */
const METRIC = /([^\s,;="]+)((?:\s*;\s*[^\s,;="]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,;"]*))?)*)/g
const DURATION = /;\s*dur\s*=\s*"?(\d+(?:\.\d+)?)"?\s*(?:;|$)/i

/** Reads a `Server-Timing` header. Metrics without a duration are left out; undefined when none is left. */
export function parseServerTiming(header: string | null): Timings | undefined {
  const found = [...(header ?? '').matchAll(METRIC)].flatMap(([, name, parameters]) => {
    // A description may hold anything, a duration included.
    const duration = DURATION.exec(parameters!.replace(/;\s*desc\s*=\s*"(?:[^"\\]|\\.)*"/gi, ''))?.[1]
    return duration === undefined ? [] : [[name!, Number(duration)] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}
