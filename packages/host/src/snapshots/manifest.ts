/** What a snapshot's directory says of itself. The manifest is written last: a directory with it is whole. */
import { createHash } from 'node:crypto'
import { Problem } from '@wrenn/wire'
import { z } from 'zod'
import { needsSchema, type Needs } from '../vmm/types.js'

/** Raised when a reader of today could not understand what a writer of tomorrow writes. */
export const FORMAT = 2

const fileName = z.string().regex(/^[a-z0-9][a-z0-9.-]*$/)

export const snapshotFileSchema = z.object({
  name: fileName,
  bytes: z.int().min(0),
  /** Bytes on disk: a sparse file's holes cost nothing. */
  occupied: z.int().min(0),
  /** When it was last written, in milliseconds: a file that was written since is read in full before it is used. */
  mtime_ms: z.number(),
  /** Hex; absent in a fork's snapshot, which is gone before it could matter. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** Whether this snapshot brought it; the others it shares with what it came from. */
  own: z.boolean(),
})
export type SnapshotFile = z.infer<typeof snapshotFileSchema>

export const manifestSchema = z.object({
  format: z.literal(FORMAT),
  id: z.string(),
  created_at: z.iso.datetime(),
  /** What it was made for: a template is started often, a pause once, a fork is gone soon. */
  purpose: z.enum(['template', 'pause', 'fork']),
  /** The image that it all began with. */
  image: z.object({ id: z.string(), name: z.string() }),
  vcpus: z.int().min(1),
  memory_mb: z.int().min(1),
  disk_size_mb: z.int().min(1),
  memory: z.object({
    /** The image of the memory that starts map. */
    base: fileName,
    /** What of it is different; null right after a boot, and when it was folded into the base. */
    difference: fileName.nullable(),
    changed_bytes: z.int().min(0),
    /** Whether the difference was compressed, or that was found not to pay. */
    packed: z.boolean(),
  }),
  /** Disk layers, lowest first. */
  disk: z.array(fileName).min(1),
  devices: fileName,
  needs: needsSchema,
  versions: z.record(z.string(), z.string()),
  files: z.array(snapshotFileSchema),
})
export type Manifest = z.infer<typeof manifestSchema>

const signedSchema = z.object({ manifest: z.unknown(), sha256: z.string() })

/** The text of a manifest's file, with a digest of its own. */
export function encodeManifest(manifest: Manifest): string {
  return JSON.stringify({ manifest, sha256: digestOf(manifest) }, null, 2)
}

/** @throws when the text is not what was written */
export function decodeManifest(text: string): Manifest {
  const { manifest, sha256 } = signedSchema.parse(JSON.parse(text))
  if (digestOf(manifest) !== sha256) throw new Error('the manifest does not have its digest')
  return manifestSchema.parse(manifest)
}

function digestOf(manifest: unknown): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex')
}

/** Bytes that the snapshot alone brought to the disk. */
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
