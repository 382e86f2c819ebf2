import type { Tree } from '../files/tree.js'
import type { Ports } from '../ports.js'
import type { Terminal } from '../sessions/terminal.js'

/** What all programs of a guest share. */
export interface Surroundings {
  tree: Tree
  ports: Ports
  hostname: () => string
  /** Variables of every program. */
  identity: () => Record<string, string>
}

export interface Run extends Surroundings {
  args: string[]
  env: Record<string, string>
  cwd: string
  /** What is written to the program, as long as it is to read it. */
  stdin(until: AbortSignal): AsyncIterable<Buffer>
  /** Resolves when it may write on. */
  out(data: Buffer | string): Promise<void>
  err(data: Buffer | string): Promise<void>
  /** Aborts when the process is killed. */
  killed: AbortSignal
  terminal: Terminal | undefined
  /** Whether it was captured in the middle and goes on. */
  isResumed: boolean
}

/** Resolves with the exit code. */
export type Program = (run: Run) => Promise<number>
