import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { ok, warning, type Outcome } from './outcome.js'
import { inScratch } from './scratch.js'

const MiB = 1024 * 1024
const SIZE_MB = 32
const CHUNK = MiB
/** Below this a snapshot of what a capsule changed takes seconds. */
const SLOW_MBPS = 50

/** Writes a file until it is on the disk. @returns MiB per second */
export function measureSpeed(place: string): Promise<number> {
  return inScratch(place, async (dir) => {
    const chunk = Buffer.alloc(CHUNK)
    // Not all zeros: some disks notice.
    for (let at = 0; at < CHUNK; at += 8) chunk.writeDoubleLE(Math.random(), at)
    const handle = await open(join(dir, 'speed'), 'wx', 0o600)
    try {
      const begun = performance.now()
      for (let written = 0; written < SIZE_MB; written++) await handle.write(chunk)
      await handle.sync()
      return (SIZE_MB * 1000) / (performance.now() - begun)
    } finally {
      await handle.close()
    }
  })
}

/** Whether the disk is fast enough for captures to be quick. */
export function checkSpeed(mbps: number): Outcome {
  const shown = `${Math.round(mbps)} MiB/s, written and synced`
  if (mbps >= SLOW_MBPS) return ok(shown)
  return warning(`The disk is slow: ${shown}.`, {
    fix: 'Put the data directory on a faster disk, or look what else uses this one.',
  })
}
