/** Some of many, from the first to the last and evenly apart; all of them where WRENN_ALL_STEPS is set. */
export function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most || process.env['WRENN_ALL_STEPS']) return items
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!)
}
