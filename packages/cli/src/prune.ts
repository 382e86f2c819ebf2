/** Which versions of templates may go. */
import type { VersionBody } from 'wrenn'

export interface PruneRule {
  /** How many versions of each template stay, the present one included. */
  keep: number
  /** Of the others, only those that nothing was started from for so many seconds. */
  unusedFor?: number
}

/**
 * The old versions that a rule lets go, of all templates, oldest first. Never the one that a name means, and nothing of
 * the platform's.
 */
export function selectPrunable(
  versions: VersionBody[],
  { keep, unusedFor = 0 }: PruneRule,
  now = Date.now(),
): VersionBody[] {
  const old = versions.filter((one) => !one.protected && !one.current)
  return [...new Set(old.map(({ name }) => name))].flatMap((name) =>
    old
      .filter((one) => one.name === name)
      .sort((one, other) => other.version - one.version)
      .slice(Math.max(keep - 1, 0))
      .filter((one) => now - lastUse(one) >= unusedFor * 1000)
      .reverse(),
  )
}

/** When a version was last of use: its capture counts. */
export function lastUse({ last_used_at, created_at }: VersionBody): number {
  return Date.parse(last_used_at ?? created_at)
}

/** What the deletion of a version frees, as well as it is known: where its own share is not told, at most what it brought. */
export function freedBy({ unique_bytes, size_bytes }: VersionBody): { bytes: number; isExact: boolean } {
  return unique_bytes === undefined ? { bytes: size_bytes, isExact: false } : { bytes: unique_bytes, isExact: true }
}
