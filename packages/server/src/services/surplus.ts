/** The rule of which versions of a name are kept: pure, over what is known of them. */

/** A ready version. */
export interface Kept {
  id: string
  number: number | null
  createdAt: string
  lastUsedAt: string | null
}

interface Name<V extends Kept> {
  versions: readonly V[]
  /** The one that the name means. */
  currentId: string | null
}

/** Those beyond the newest `keepVersions`. The one that the name means is always among the kept. */
export function surplus<V extends Kept>({ versions, currentId }: Name<V>, keepVersions: number): V[] {
  const others = versions.filter(({ id }) => id !== currentId)
  const room = Math.max(0, keepVersions - (versions.length - others.length))
  return others.toSorted((a, b) => (b.number ?? 0) - (a.number ?? 0)).slice(room)
}

/**
 * When each version expires, in milliseconds since 1970. The one that the name means goes last: as long as another is
 * in use, the name keeps its meaning.
 */
export function expiries<V extends Kept>({ versions, currentId }: Name<V>, expiresIn: number): Map<V, number> {
  const own = new Map(versions.map((version) => [version, lastUse(version) + expiresIn * 1000]))
  const last = Math.max(...own.values())
  return new Map([...own].map(([version, at]) => [version, version.id === currentId ? last : at]))
}

/** Its making counts as a use. */
function lastUse({ createdAt, lastUsedAt }: Kept): number {
  return Date.parse(lastUsedAt ?? createdAt)
}
