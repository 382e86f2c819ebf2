/** What the server uses over time. */
import { readdir, readFile } from 'node:fs/promises'

export interface Vitals {
  memoryBytes: number
  descriptors: number
}

/** What a process uses now; undefined when it is gone. */
export async function vitalsOf(pid: number): Promise<Vitals | undefined> {
  try {
    const [status, fds] = await Promise.all([readFile(`/proc/${pid}/status`, 'latin1'), readdir(`/proc/${pid}/fd`)])
    const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
    return kb === undefined ? undefined : { memoryBytes: Number(kb) * 1024, descriptors: fds.length }
  } catch {
    return undefined
  }
}

const EVERY_MS = 5_000

export class VitalsLog {
  readonly all: Vitals[] = []
  readonly #timer: NodeJS.Timeout

  /** @param pid of the server as it is then. @param since the `performance.now` from which on it is looked */
  constructor(pid: () => number, since: number) {
    this.#timer = setInterval(() => {
      if (performance.now() < since) return
      void vitalsOf(pid()).then((vitals) => vitals && this.all.push(vitals))
    }, EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** The mean memory of the first quarter of the time and of the last, in bytes; undefined when it was too short. */
export function quarters(all: readonly Vitals[]): { first: number; last: number } | undefined {
  const length = Math.floor(all.length / 4)
  if (length === 0) return undefined
  const mean = (some: readonly Vitals[]) => some.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) / some.length
  return { first: mean(all.slice(0, length)), last: mean(all.slice(-length)) }
}
