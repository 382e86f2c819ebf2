/** Asks a tool, which may take only so long. */
import { run } from '../process/run.js'

const PATIENCE_MS = 10_000

/** The lines that it says. @throws {ToolError} when it fails; an Error when it takes too long */
export async function ask(program: string, ...args: string[]): Promise<string[]> {
  const lines: string[] = []
  await run(program, args, { signal: AbortSignal.timeout(PATIENCE_MS), onLine: (line) => lines.push(line) })
  return lines
}
