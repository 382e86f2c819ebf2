/** The few programs of the fake guest. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tree } from './tree.js'

export interface Run {
  args: string[]
  env: Record<string, string>
  cwd: string
  tree: Tree
  hostname: string
  stdin: AsyncIterable<Buffer>
  /** Resolves when the reader has taken it. */
  out(data: Buffer | string): Promise<void>
  err(data: Buffer | string): Promise<void>
  /** Aborts when the process is killed. */
  killed: AbortSignal
}

/** Resolves with the exit code. */
export type Program = (run: Run) => Promise<number>

const never = async (killed: AbortSignal): Promise<number> => {
  if (!killed.aborted) await once(killed, 'abort')
  return 0
}

export const programs: Record<string, Program> = {
  true: async () => 0,
  false: async () => 1,
  exit: async ({ args }) => Number(args[0] ?? 0),
  echo: async ({ args, out }) => {
    await out(args.join(' ') + '\n')
    return 0
  },
  complain: async ({ args, err }) => {
    await err(args.join(' ') + '\n')
    return 1
  },
  pwd: async ({ cwd, out }) => {
    await out(cwd + '\n')
    return 0
  },
  env: async ({ env, out }) => {
    for (const [name, value] of Object.entries(env)) await out(`${name}=${value}\n`)
    return 0
  },
  hostname: async ({ hostname, out }) => {
    await out(hostname + '\n')
    return 0
  },
  /** Prints bytes that are given in hex, argument by argument. */
  bytes: async ({ args, out }) => {
    for (const hex of args) await out(Buffer.from(hex, 'hex'))
    return 0
  },
  /** Prints for ever. */
  yes: async ({ out, killed }) => {
    const chunk = Buffer.from('y\n'.repeat(8192))
    while (!killed.aborted) await out(chunk)
    return 0
  },
  sleep: async ({ args, killed }) => {
    if (args[0] === 'infinity') return never(killed)
    await sleep(Number(args[0] ?? 0) * 1000, undefined, { signal: killed }).catch(() => {})
    return 0
  },
  cat: async ({ args, tree, stdin, out }) => {
    if (args.length === 0) for await (const chunk of stdin) await out(chunk)
    for (const path of args) await out(tree.read(path))
    return 0
  },
  /** Writes its second argument into the file that is its first. */
  put: async ({ args: [path = '', text = ''], tree }) => {
    tree.write(path, Buffer.from(text))
    return 0
  },
  /** Runs one plain command; the fake guest has no shell language. */
  sh: async (run) => {
    const [name = '', ...args] = (run.args[0] === '-c' ? (run.args[1] ?? '') : '').split(' ')
    const program = programs[name]
    if (program) return program({ ...run, args })
    await run.err(`sh: ${name}: not found\n`)
    return 127
  },
}
