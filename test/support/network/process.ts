/** Processes in network namespaces, and what is asked of them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Caller {
  call<T>(method: string, ...args: unknown[]): Promise<T>
  /** Ends the process, as a crash does, and waits for that. */
  end(): Promise<void>
}

interface Answer {
  id: number
  value?: unknown
  error?: { code?: string; message: string; stack?: string }
}

/** Starts one of the programs of this folder in a namespace. */
export async function startIn(namespace: string, program: string): Promise<Caller> {
  const file = fileURLToPath(new URL(program, import.meta.url))
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  await once(child, 'spawn')
  return callerOf(child)
}

function callerOf(child: ChildProcess): Caller {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const ended = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the process ended'))
  })
  child.on('message', ({ id, value, error }: Answer) => {
    const { resolve, reject } = waiting.get(id)!
    waiting.delete(id)
    if (error) reject(Object.assign(new Error(error.message), error))
    else resolve(value)
  })
  let next = 1
  return {
    call: <T>(method: string, ...args: unknown[]) =>
      new Promise<T>((resolve, reject) => {
        const id = next++
        waiting.set(id, { resolve: resolve, reject })
        child.send({ id, method, args })
      }),
    end: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
