/** What a QEMU may use at most: what its guest was promised, and what it needs beside that. */
import { totalmem } from 'node:os'
import type { Limits } from '../../jail/limits.js'

const MiB = 1024 * 1024
/** QEMU's own memory: devices, its thread pool, caches of disk layers. */
const OWN_MEMORY = 512 * MiB
/** QEMU keeps translated instructions in a buffer of 1 GiB, or an eighth of the machine's memory where that is less. */
const translations = () => Math.min(1024 * MiB, totalmem() / 8)
/** Threads besides those of the guest's processors; the pool for the disk has up to 64. */
const OWN_THREADS = 128
/** A qcow2 file has tables beside the content: an 8192nd and less for what is where, as much for what is used. */
const TABLES = 1 / 1024
const LEAST_TABLES = 16 * MiB

export interface QemuSize {
  vcpus: number
  memoryMb: number
  diskSizeMb: number
}

/** The longest that a layer of a disk may be. Freed clusters are used again, so it holds however much is written. */
export function layerBytes(diskSizeMb: number): number {
  return Math.ceil(diskSizeMb * MiB * (1 + TABLES)) + LEAST_TABLES
}

/** @param hasMemoryFile whether it writes its memory to a file, as at a boot */
export function qemuLimits({ vcpus, memoryMb, diskSizeMb }: QemuSize, hasMemoryFile: boolean): Limits {
  return {
    fileBytes: Math.max(layerBytes(diskSizeMb), hasMemoryFile ? memoryMb * MiB : 0),
    memoryBytes: memoryMb * MiB + Math.ceil(translations()) + OWN_MEMORY,
    threads: vcpus + OWN_THREADS,
    vcpus,
  }
}
