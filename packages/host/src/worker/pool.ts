import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Piscina } from 'piscina'
import type * as tasks from './tasks.js'

type Tasks = typeof tasks
type TaskName = keyof Tasks
/** Runs a named task in a worker thread and resolves with its result. */
export type RunTask = <N extends TaskName>(
  name: N,
  input: Parameters<Tasks[N]>[0],
) => Promise<Awaited<ReturnType<Tasks[N]>>>

export interface WorkerPool {
  run: RunTask
  close(): Promise<void>
}

/** Threads kept ready, so that a start or a capture never waits for one to be made. */
const READY = 1
const MOST = 4

/** Starts the worker threads. */
export function startWorkers(): WorkerPool {
  // Resolved through the package, so that it is the compiled file whoever imports this one.
  const filename = pathToFileURL(createRequire(import.meta.url).resolve('@wrenn/host/worker')).href
  const pool = new Piscina({ filename, minThreads: READY, maxThreads: MOST, idleTimeout: 30_000 })
  return {
    run: (name, input) => pool.run(input, { name }) as Promise<never>,
    close: () => pool.close({ force: true }),
  }
}
