/**
 * The uncompressed kernel out of a bzImage. QEMU enters an ELF kernel directly (PVH), which under TCG boots half a
 * second sooner than having the guest unpack itself.
 *
 * The header's fields: the kernel's Documentation/arch/x86/boot.rst. The payload is followed by its unpacked size.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const SETUP_SECTORS = 0x1f1
const MAGIC = 0x202
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c
const SECTOR = 512

/** How each payload format begins, and what unpacks it. */
const unpackers: { magic: string; command: [string, ...string[]] }[] = [
  { magic: '02214c18', command: ['lz4', '-dc'] },
  { magic: '28b52ffd', command: ['zstd', '-dc'] },
  { magic: 'fd377a58', command: ['xz', '-dc'] },
  { magic: '1f8b', command: ['gzip', '-dc'] },
]

/** Takes the ELF kernel out of a bzImage. Runs in a worker. */
export function extractKernel({ from, to }: { from: string; to: string }): void {
  const image = readFileSync(from)
  if (image.toString('latin1', MAGIC, MAGIC + 4) !== 'HdrS') throw new Error(`${from} is not a Linux kernel`)
  const start = (image.readUInt8(SETUP_SECTORS) + 1) * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET)
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH))
  const size = payload.readUInt32LE(payload.length - 4)
  const unpacker = unpackers.find(({ magic }) => payload.toString('hex', 0, magic.length / 2) === magic)
  if (!unpacker) throw new Error(`the kernel is packed in an unknown way (${payload.toString('hex', 0, 6)})`)
  const [program, ...args] = unpacker.command
  const input = payload.subarray(0, payload.length - 4)
  const kernel = execFileSync(program, args, { input, maxBuffer: size + 1, stdio: ['pipe', 'pipe', 'ignore'] })
  if (kernel.length !== size) throw new Error(`the kernel unpacks to ${kernel.length} bytes instead of ${size}`)
  writeFileSync(to, kernel, { mode: 0o444 })
}
