/** The memory of a process that is captured: copied while it is paused, where it is to go on, or read when it is written. */
import type { Copied, MemoryOf } from '../../memory/copy.js'
import { giveUp, newProgress } from '../../memory/progress.js'
import type { WriteDifference } from '../../memory/write.js'
import type { RunTask } from '../../worker/pool.js'
import type { WriteMemory, WrittenMemory } from '../types.js'

/** How many threads copy at once. */
const PARTS = 2
/**
 * The most that is held in our memory for the sake of a short pause, in bytes. A guest that changed more stays paused
 * until its difference is written.
 */
const MOST_COPIED = 512 * 1024 * 1024

export interface MemoryReader {
  /** Takes what has to be taken while the process is paused. */
  read(): Promise<void>
  /** Resolves when the difference is written; once. */
  write(): Promise<WrittenMemory>
}

export interface ReadyCopy {
  goesOn: boolean
  into: WriteMemory
  runTask: RunTask
}

/** Gets everything ready while the process still runs. */
export async function readyCopy(of: MemoryOf, { goesOn, into, runTask }: ReadyCopy): Promise<MemoryReader> {
  const write = (from: MemoryOf | Copied[]) => writeDigested(runTask, { from, base: of.base, ...into })
  if (!goesOn) return { read: () => Promise.resolve(), write: () => write(of) }
  const { slices } = await runTask('planCopy', { ...of, parts: PARTS, most: MOST_COPIED })
  let finish: () => Promise<WrittenMemory>
  return {
    read: async () => {
      if (slices.length === 0) {
        const written = await write(of)
        finish = () => Promise.resolve(written)
      } else {
        const copied = await Promise.all(slices.map((slice) => runTask('copySlice', { ...of, ...slice })))
        finish = () => write(copied)
      }
    },
    write: () => finish(),
  }
}

/** Writes the difference with one thread, and digests it with another where it is to last. */
async function writeDigested(runTask: RunTask, options: WriteDifference): Promise<WrittenMemory> {
  if (!options.lasting) return { ...(await runTask('writeDifference', options)), sha256: undefined }
  const progress = newProgress()
  const writing = runTask('writeDifference', { ...options, progress })
  const digesting = runTask('digestBehind', { path: options.into, progress })
  try {
    const [written, sha256] = await Promise.all([writing, digesting])
    return { ...written, sha256 }
  } catch (error) {
    await writing.catch(() => giveUp(progress))
    await digesting.catch(() => {})
    throw error
  }
}
