/**
 * Puts other files in the place of some of a snapshot's, the content being the same. What runs from the old ones has
 * links of its own. The new files come first, then the manifest in one step, and only then the old files go: a crash in
 * between leaves files that no manifest names, which `tidy` removes.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile, sync } from '../fs/durable.js'
import { names } from '../paths.js'
import { encodeManifest, type Manifest } from './manifest.js'
import { describeFile, type Snapshot } from './store.js'

export interface Replacement {
  /** Files that stand in the snapshot's directory already, on the disk. */
  added: { name: string; sha256: string }[]
  /** What the manifest says instead. */
  change: Partial<Pick<Manifest, 'memory' | 'disk'>>
}

/** Makes the replacement durable, and returns the snapshot as it is from now on. */
export async function replaceParts({ dir, manifest }: Snapshot, { added, change }: Replacement): Promise<Snapshot> {
  await sync(dir)
  const described = await Promise.all(
    added.map(({ name, sha256 }) => describeFile({ path: join(dir, name), name, own: true, sha256 })),
  )
  const next: Manifest = { ...manifest, ...change, files: [...manifest.files, ...described] }
  const used = new Set([next.memory.base, next.memory.difference, next.devices, ...next.disk])
  next.files = next.files.filter(({ name }) => used.has(name))
  await replaceFile(join(dir, names.manifest), encodeManifest(next))
  await tidy({ dir, manifest: next })
  return { dir, manifest: next }
}

/** Removes files that the manifest does not name. */
export async function tidy({ dir, manifest }: Snapshot): Promise<string[]> {
  const known = new Set([names.manifest, ...manifest.files.map(({ name }) => name)])
  const others = (await readdir(dir)).filter((name) => !known.has(name))
  for (const name of others) await rm(join(dir, name), { recursive: true, force: true })
  return others
}
