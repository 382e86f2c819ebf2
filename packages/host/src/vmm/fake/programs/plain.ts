import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from './types.js'

/** Runs until it is killed. */
export async function forever(killed: AbortSignal): Promise<number> {
  if (!killed.aborted) await once(killed, 'abort')
  return 0
}

export const plain: Record<string, Program> = {
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
    await out(hostname() + '\n')
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
  /** Prints the numbers up to its argument, a line each. */
  seq: async ({ args, out }) => {
    for (let number = 1; number <= Number(args[0] ?? 0); number++) await out(`${number}\n`)
    return 0
  },
  sleep: async ({ args, killed }) => {
    if (args[0] === 'infinity') return forever(killed)
    await sleep(Number(args[0] ?? 0) * 1000, undefined, { signal: killed }).catch(() => {})
    return 0
  },
  cat: async ({ args, tree, stdin, out, killed }) => {
    if (args.length === 0) for await (const chunk of stdin(killed)) await out(chunk)
    for (const path of args) await out(tree.read(path))
    return 0
  },
  /** Writes its second argument into the file that is its first. */
  put: async ({ args: [path = '', text = ''], tree }) => {
    tree.write(path, Buffer.from(text))
    return 0
  },
}
