import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Piscina } from 'piscina'
import type { Call, Outcome, TaskName, Tasks } from './main.js'

/** Runs a named task in a worker thread and resolves with its result, or rejects with an error of the same name and code. */
export type RunTask = <N extends TaskName>(
  name: N,
  input: Parameters<Tasks[N]>[0],
) => Promise<Awaited<ReturnType<Tasks[N]>>>

export interface WorkerPool {
  run: RunTask
  close(): Promise<void>
}

/** Threads kept ready, so that a start or a capture, which copies with two, never waits for one to be made. */
const READY = 2
const MOST = 4

/** Starts the worker threads. */
export function startWorkers(): WorkerPool {
  // Resolved through the package, so that it is the compiled file whoever imports this one.
  const filename = pathToFileURL(createRequire(import.meta.url).resolve('@wrenn/host/worker')).href
  const pool = new Piscina<Call, Outcome>({ filename, minThreads: READY, maxThreads: MOST, idleTimeout: 30_000 })
  const run = async (name: TaskName, input: unknown) => {
    const outcome = await pool.run({ name, input })
    if ('failure' in outcome) throw Object.assign(new Error(outcome.failure.message), outcome.failure)
    return outcome.value
  }
  return { run: run as RunTask, close: () => pool.close({ force: true }) }
}
