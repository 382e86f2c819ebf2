/** What of the host's records may be given away: these fields, in these forms. Everything else is dropped. */
import { z } from 'zod'
import { isKnown } from './known-names.js'

const LEFT_OUT = '(left out)'
/** A field that is something else is dropped by itself. */
const field = <T extends z.ZodType>(schema: T) => schema.optional().catch(LEFT_OUT as never)

const id = field(z.string().refine(isKnown))
const number = field(z.number())
const time = field(z.iso.datetime())
const version = field(z.string().regex(/^(?:qemu |fake )?v?\d+[\w.+~-]{0,40}$/))
const file = field(z.string().refine(isKnown))
const flag = field(z.boolean())

const needs = field(
  z.object({
    vmm: field(z.enum(['qemu', 'fake'])),
    vmmVersion: version,
    accelerator: field(z.enum(['kvm', 'tcg', 'fake'])),
  }),
)
const manifest = z.object({
  format: number,
  id,
  created_at: time,
  purpose: field(z.enum(['template', 'pause', 'fork'])),
  image: field(z.object({ id })),
  vcpus: number,
  memory_mb: number,
  disk_size_mb: number,
  memory: field(z.object({ base: file, difference: field(file.nullable()), changed_bytes: number, packed: flag })),
  disk: field(z.array(file)),
  devices: file,
  needs,
  versions: field(z.object({ kernel: version, vmm: version, agent: version })),
  files: field(z.array(z.object({ name: file, bytes: number, occupied: number, mtime_ms: number, own: flag }))),
})

export const kinds = {
  format: z.object({ format: number, version }),
  accelerator: z.object({ boot_id: field(z.guid()), accelerator: field(z.enum(['kvm', 'tcg'])) }),
  manifest: z.object({ manifest }).transform((signed) => signed.manifest),
  image: z.object({
    format: number,
    id,
    created_at: time,
    disk_size_mb: number,
    size_bytes: number,
    kernel: version,
    min_memory_mb: number,
  }),
  capsule: z.object({
    format: number,
    capsule_id: id,
    origin: field(manifest),
    layers: field(z.array(file)),
    vm: field(
      z.object({
        kind: field(z.enum(['qemu', 'fake'])),
        pid: number,
        startTime: field(z.string().regex(/^\d+$/)),
        memory: file,
        needs,
      }),
    ),
    network: field(z.object({ number })),
  }),
} as const
export type RecordKind = keyof typeof kinds
