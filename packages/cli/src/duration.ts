const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** A length of time in seconds: `90`, `30s`, `5m`, `2h` or `30d`. Undefined: it is none. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = 's'] = /^(\d+)([smhd])?$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * SECONDS[unit as keyof typeof SECONDS]
}
