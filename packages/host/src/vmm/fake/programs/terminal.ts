import type { Program, Run } from './types.js'

const sizeOf = ({ terminal }: Run) => (terminal ? `${terminal.size.rows} ${terminal.size.cols}\n` : '')

export const terminalPrograms: Record<string, Program> = {
  /** `stty size`: rows and columns. */
  stty: async (run) => {
    if (!run.terminal) return 1
    await run.out(sizeOf(run))
    return 0
  },
  /** Prints rows and columns whenever they change. */
  sizes: async (run) => {
    if (!run.terminal) return 1
    while (!run.killed.aborted) {
      const resized = run.terminal.resized.rung()
      await run.out(sizeOf(run))
      await resized
    }
    return 0
  },
}
