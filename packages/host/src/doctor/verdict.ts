import { readFile, rm } from 'node:fs/promises'
import { z } from 'zod'
import { pathsOf } from '../paths.js'

/** What of a verdict says when it was made (vmm/qemu/probe.ts writes it). */
const verdictSchema = z.object({ boot_id: z.string() })

/** Whether what was found out about the machine is of another boot of it, or cannot be understood. */
export async function isStale(dataDir: string): Promise<boolean> {
  const text = await readFile(pathsOf(dataDir).accelerator, 'utf8').catch(() => undefined)
  if (text === undefined) return false
  try {
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    return verdictSchema.parse(JSON.parse(text)).boot_id !== bootId
  } catch {
    return true
  }
}

/** Forgets it, so that it is found out anew. */
export async function forgetVerdict(dataDir: string): Promise<void> {
  await rm(pathsOf(dataDir).accelerator, { force: true })
}
