import { readFile } from 'node:fs/promises'
import { failure, ok, warning, type Outcome } from './outcome.js'

const MiB = 1024 * 1024
/** A capsule of the default size, and room for the server and its worker threads. */
const LEAST = 768 * MiB
const GOOD = 2048 * MiB

/** How much memory new capsules could have. */
export async function checkMemory(meminfo?: string): Promise<Outcome> {
  const text = meminfo ?? (await readFile('/proc/meminfo', 'utf8'))
  const bytes = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? NaN) * 1024
  const fix = 'End what else runs here, or use a machine with more memory. A capsule of the default size has 512 MiB.'
  if (Number.isNaN(bytes)) return warning('The kernel does not say how much memory is free.', { fix })
  const shown = `${Math.round(bytes / MiB)} MiB of memory are available`
  if (bytes < LEAST) return failure(`Only ${shown}.`, { fix })
  return bytes < GOOD ? warning(`Only ${shown}.`, { fix }) : ok(shown)
}
