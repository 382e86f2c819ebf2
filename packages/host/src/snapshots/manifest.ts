/** What a snapshot's directory says of itself. The manifest is written last: a directory with it is whole. */
import { Problem } from '@wrenn/wire'
import { z } from 'zod'
import { needsSchema, type Needs } from '../vmm/types.js'

/** Raised when a reader of today could not understand what a writer of tomorrow writes. */
export const FORMAT = 1

const fileName = z.string().regex(/^[a-z0-9][a-z0-9.-]*$/)

export const snapshotFileSchema = z.object({
  name: fileName,
  bytes: z.int().min(0),
  /** Bytes on disk: a sparse file's holes cost nothing. */
  occupied: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Whether this snapshot brought it; the others it shares with what it came from. */
  own: z.boolean(),
})
export type SnapshotFile = z.infer<typeof snapshotFileSchema>

export const manifestSchema = z.object({
  format: z.literal(FORMAT),
  id: z.string(),
  created_at: z.iso.datetime(),
  /** The image that it all began with. */
  image: z.object({ id: z.string(), name: z.string() }),
  vcpus: z.int().min(1),
  memory_mb: z.int().min(1),
  disk_size_mb: z.int().min(1),
  /** Disk layers, lowest first. */
  disk: z.array(fileName).min(1),
  /** Whether there is a memory difference beside the base image. */
  difference: z.boolean(),
  changed_bytes: z.int().min(0),
  needs: needsSchema,
  versions: z.record(z.string(), z.string()),
  files: z.array(snapshotFileSchema),
})
export type Manifest = z.infer<typeof manifestSchema>

/** Bytes that the snapshot alone occupies. */
export function ownBytes(manifest: Manifest): number {
  return manifest.files.reduce((sum, file) => sum + (file.own ? file.occupied : 0), 0)
}

/** Refuses a snapshot that was taken on a machine that this one cannot stand in for. */
export function assertRestorable(manifest: Manifest, here: Needs): void {
  const differing = (Object.keys(here) as (keyof Needs)[]).filter((key) => manifest.needs[key] !== here[key])
  if (differing.length === 0) return
  const list = differing.map((key) => `${key} ${manifest.needs[key]} (here: ${here[key]})`).join(', ')
  throw new Problem('host_unavailable', `This template was captured under ${list}.`, {
    hint: 'A captured machine goes on only under what it was captured under. Take the snapshot again here, or restore that version.',
  })
}
