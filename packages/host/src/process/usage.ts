/** What a process uses, as the kernel counts it all along: cheap to ask for, however large the process is. */
import { readFile } from 'node:fs/promises'
import type { ProcessIdentity } from './identity.js'

/** What times in /proc are counted in, on every Linux. */
const TICKS_PER_SECOND = 100

export interface ProcessUsage {
  /** Processor time of all its threads, in milliseconds. */
  cpuMs: number
  /**
   * Anonymous memory that is resident, in bytes: for a vm what its guest has written, and the vmm's own. Pages of a file that
   * is mapped privately count once they are written and not before, since until then all who map it share them.
   */
  memoryBytes: number
}

/**
 * Asks for the counters of /proc/PID/stat and /proc/PID/status. (smaps_rollup would tell more, but walks all of the
 * process's memory for it.)
 *
 * @throws when this very process is gone
 */
export async function usageOf({ pid, startTime }: ProcessIdentity): Promise<ProcessUsage> {
  const [stat, status] = await Promise.all(['stat', 'status'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1')))
  const fields = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ')
  const [user, system, started] = [fields[11], fields[12], fields[19]]
  const [, anonymousKb] = /^RssAnon:\s+(\d+) kB$/m.exec(status!) ?? []
  if (started !== startTime || anonymousKb === undefined) throw new Error(`process ${pid} is gone`)
  return {
    cpuMs: ((Number(user) + Number(system)) * 1000) / TICKS_PER_SECOND,
    memoryBytes: Number(anonymousKb) * 1024,
  }
}
