/** How much a process in a jail may use. */

export interface Limits {
  /** The longest file that it may make of any that it may write, in bytes. */
  fileBytes: number
  /** All memory of its own, in bytes. */
  memoryBytes: number
  /** Threads. */
  threads: number
  /** Its share of the processors, where others want them too. */
  vcpus: number
}

const FILES = 1024
/**
 * Addresses are given out far ahead of memory (stacks of threads, arenas of the allocator): where nothing can count memory
 * itself, they are bounded, with this much to spare.
 */
const SPARE_ADDRESSES = 4 * 1024 ** 3

export interface ResourceLimits {
  limits: Limits
  /** Whether the process's user is its own, so that threads of the user can be counted. */
  hasOwnUser: boolean
  /** Whether a control group bounds its memory. */
  isMemoryCounted: boolean
}

/** The arguments of `prlimit` that hold a process, and all that come of it, to its limits. */
export function prlimitArguments({ limits, hasOwnUser, isMemoryCounted }: ResourceLimits): string[] {
  return [
    ...['--core=0', `--nofile=${FILES}`, `--fsize=${limits.fileBytes}`],
    ...(hasOwnUser ? [`--nproc=${limits.threads}`] : []),
    ...(isMemoryCounted ? [] : [`--as=${limits.memoryBytes + SPARE_ADDRESSES}`]),
  ]
}
