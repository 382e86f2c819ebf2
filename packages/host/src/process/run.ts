/** Runs a tool to its end. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export class ToolError extends Error {
  override readonly name = 'ToolError'
  constructor(
    program: string,
    how: string,
    readonly output: string,
  ) {
    super(`${program} ${how}${output ? `:\n${output}` : ''}`)
  }
}

export interface RunOptions {
  signal?: AbortSignal | undefined
  env?: Record<string, string>
  /** Called with each line of the tool's output and errors. */
  onLine?: (line: string) => void
}

/** Lines of output kept for the error message. */
const TAIL = 20

/**
 * Runs a program and waits for it. Aborting kills it.
 *
 * @throws {ToolError} with the end of its output when it fails or cannot be started
 */
export async function run(program: string, args: string[], { signal, env, onLine }: RunOptions = {}): Promise<void> {
  const tail: string[] = []
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    signal,
    killSignal: 'SIGKILL',
  })
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      if (tail.push(line) > TAIL) tail.shift()
      onLine?.(line)
    })
  }
  await new Promise<void>((resolve, reject) => {
    child.once('error', (error) =>
      reject(signal?.aborted ? error : new ToolError(program, `could not be started (${error.message})`, '')),
    )
    child.once('close', (code, killer) => {
      if (code === 0) resolve()
      else
        reject(
          new ToolError(
            program,
            code === null ? `was ended by ${killer}` : `failed with exit code ${code}`,
            tail.join('\n'),
          ),
        )
    })
  })
}
