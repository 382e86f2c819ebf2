/** What the machine has, as far as it decides what may begin. */
import { readFile, statfs } from 'node:fs/promises'

export interface Amount {
  totalBytes: number
  /** What may still be taken. */
  freeBytes: number
}

export interface Machine {
  memory(): Promise<Amount>
  /** Of the file system that holds the data directory. */
  disk(): Promise<Amount>
}

/** This machine. Each answer costs one small read. */
export function thisMachine(dataDir: string): Machine {
  return {
    memory: async () => amountOf(await readFile('/proc/meminfo', 'latin1')),
    disk: async () => {
      const { bsize, blocks, bavail } = await statfs(dataDir)
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
    },
  }
}

/** Reads /proc/meminfo. What the kernel would give back of its caches counts as free. */
export function amountOf(meminfo: string): Amount {
  const bytes = (name: string) => {
    const [, kb] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo) ?? []
    if (kb === undefined) throw new Error(`/proc/meminfo does not say ${name}`)
    return Number(kb) * 1024
  }
  return { totalBytes: bytes('MemTotal'), freeBytes: bytes('MemAvailable') }
}
