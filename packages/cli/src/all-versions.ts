import { WrennNotFoundError, type Template, type VersionBody, type Wrenn } from 'wrenn'

/** All versions of those templates that have versions. */
export async function versionsOf(client: Wrenn, templates: Template[], signal: AbortSignal): Promise<VersionBody[]> {
  const versions: VersionBody[] = []
  for (const { name, info } of templates) {
    if (info.type !== 'snapshot') continue
    const found = await client.templates.versions(name, { signal }).catch((error: unknown) => {
      // Deleted since it was listed.
      if (error instanceof WrennNotFoundError) return []
      throw error
    })
    versions.push(...found)
  }
  return versions
}
