/**
 * An empty qcow2 overlay, written directly: the format (QEMU's docs/interop/qcow2.txt) needs four clusters for it, and
 * a `qemu-img` process on the path of every start would cost more than all the rest of the disk's work.
 *
 * The overlay names no backing file: which layers lie below it is said on QEMU's command line, by us, so that nothing
 * that a guest could ever write decides which files are opened.
 */
import { open } from 'node:fs/promises'

const CLUSTER_BITS = 16
const CLUSTER = 1 << CLUSTER_BITS
const MAGIC = 0x514649fb
const VERSION = 3
const HEADER_LENGTH = 104
/** log2 of a reference count's bits: 16-bit counts. */
const REFCOUNT_ORDER = 4
/** Guest bytes covered by one L1 entry: a cluster of 8-byte L2 entries, a cluster each. */
const BYTES_PER_L1_ENTRY = (CLUSTER / 8) * CLUSTER

/** Lays out header, refcount table, refcount block and L1 table for a disk of `size` bytes. */
function layOut(size: number): Buffer {
  const l1Entries = Math.ceil(size / BYTES_PER_L1_ENTRY)
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / CLUSTER))
  const used = 3 + l1Clusters
  const image = Buffer.alloc(used * CLUSTER)

  image.writeUInt32BE(MAGIC, 0)
  image.writeUInt32BE(VERSION, 4)
  image.writeUInt32BE(CLUSTER_BITS, 20)
  image.writeBigUInt64BE(BigInt(size), 24)
  image.writeUInt32BE(l1Entries, 36)
  image.writeBigUInt64BE(BigInt(3 * CLUSTER), 40) // L1 table
  image.writeBigUInt64BE(BigInt(CLUSTER), 48) // refcount table
  image.writeUInt32BE(1, 56) // refcount table's clusters
  image.writeUInt32BE(REFCOUNT_ORDER, 96)
  image.writeUInt32BE(HEADER_LENGTH, 100)

  image.writeBigUInt64BE(BigInt(2 * CLUSTER), CLUSTER) // the first refcount block
  for (let cluster = 0; cluster < used; cluster++) image.writeUInt16BE(1, 2 * CLUSTER + cluster * 2)
  return image
}

/** Makes an empty qcow2 file for a disk of `sizeBytes` (a multiple of 512). Fails if `path` exists. */
export async function createOverlay(path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.writeFile(layOut(sizeBytes))
  } finally {
    await handle.close()
  }
}
