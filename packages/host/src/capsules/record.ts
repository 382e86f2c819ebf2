/** What is written of a live capsule, so that it is found again after our own restart. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isMissing, swapFile } from '../fs/durable.js'
import { networkRecordSchema } from '../network/slot.js'
import { names } from '../paths.js'
import { manifestSchema } from '../snapshots/manifest.js'
import { vmRecordSchema } from '../vmm/types.js'

export const capsuleRecordSchema = z.object({
  format: z.literal(2),
  capsule_id: z.string(),
  /** What it was restored from. Its files are linked into the capsule's directory. */
  origin: manifestSchema,
  /** Its own disk layers over those of the origin, lowest first. The last is written; more than one only after a failed capture. */
  layers: z.array(z.string()).min(1),
  vm: vmRecordSchema,
  /** Absent when it has none. */
  network: networkRecordSchema.optional(),
})
export type CapsuleRecord = z.infer<typeof capsuleRecordSchema>

/** Writes a capsule's record. It is not synced: no capsule outlives a power cut. */
export async function writeRecord(dir: string, record: CapsuleRecord): Promise<void> {
  await swapFile(join(dir, names.record), JSON.stringify(record))
}

/** Reads a capsule's record; undefined when there is none. @throws when it cannot be read or understood */
export async function readRecord(dir: string): Promise<CapsuleRecord | undefined> {
  try {
    return capsuleRecordSchema.parse(JSON.parse(await readFile(join(dir, names.record), 'utf8')))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
