/** A worker thread's side: runs the task that it is named. */
import * as tasks from './tasks.js'

export type Tasks = typeof tasks
export type TaskName = keyof Tasks

export interface Call {
  name: TaskName
  input: unknown
}

/** What would be lost of an error on its way between threads: all but its message. */
export type Outcome =
  { value: unknown } | { failure: { name: string; message: string; code?: unknown; stack?: string } }

export default async function perform({ name, input }: Call): Promise<Outcome> {
  try {
    return { value: await (tasks[name] as (input: unknown) => unknown)(input) }
  } catch (error) {
    const { name: kind, message, code, stack } = error as NodeJS.ErrnoException
    return { failure: { name: kind, message, code, ...(stack === undefined ? {} : { stack }) } }
  }
}
