/** Runs a tool to its end. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { abortable } from '../wait.js'
import { hasStreams } from './streams.js'

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
  /** What it reads from its standard input; nothing when absent. */
  input?: string | undefined
  /** Called with each line of the tool's output and errors. */
  onLine?: (line: string) => void
}

/** Lines of output kept for the error message. */
const TAIL = 20

/**
 * Runs a program and waits for it. Aborting ends it with all that it started, and does not wait for that: a tool may
 * take a moment to clean up behind it.
 *
 * @throws {ToolError} with the end of its output when it fails or cannot be started
 */
export async function run(
  program: string,
  args: string[],
  { signal, env, input, onLine }: RunOptions = {},
): Promise<void> {
  signal?.throwIfAborted()
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    // A group of its own, so that what it starts can be ended with it.
    detached: true,
  })
  if (!hasStreams(child)) throw unstarted(program, ((await once(child, 'error')) as [Error])[0])
  // One that does not read it says itself why it failed.
  child.stdin.on('error', () => {}).end(input)
  const onAbort = () => leave(child)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const ended = ending(program, child, onLine)
    await (signal ? abortable(ended, signal) : ended)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

function ending(program: string, child: Child, onLine: RunOptions['onLine']): Promise<void> {
  const tail: string[] = []
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      if (tail.push(line) > TAIL) tail.shift()
      onLine?.(line)
    })
  }
  return new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(unstarted(program, error)))
    child.once('close', (code, killer) => {
      if (code === 0) return resolve()
      const how = code === null ? `was ended by ${killer}` : `failed with exit code ${code}`
      reject(new ToolError(program, how, tail.join('\n')))
    })
  })
}

function unstarted(program: string, { message }: Error): ToolError {
  return new ToolError(program, `could not be started (${message})`, '')
}

/** Ends a tool's process group, and keeps nothing that this process would have to stay for. */
function leave(child: Child): void {
  child.stdout.destroy()
  child.stderr.destroy()
  child.unref()
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  } catch {
    // It has ended already.
  }
}
