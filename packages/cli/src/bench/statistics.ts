/** Numbers about numbers. */
export interface Summary {
  count: number
  median: number
  p95: number
  p99: number
}

/** The median, and the smallest value that 95 % and 99 % are not above. @throws when there is no value at all */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const { length } = sorted
  if (length === 0) throw new Error('a summary of nothing')
  // With an odd count both are the one in the middle.
  const [lower, upper] = [sorted[Math.floor((length - 1) / 2)]!, sorted[Math.floor(length / 2)]!]
  const at = (share: number) => sorted[Math.ceil(length * share) - 1]!
  return { count: length, median: (lower + upper) / 2, p95: at(0.95), p99: at(0.99) }
}
