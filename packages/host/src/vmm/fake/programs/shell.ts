/** A shell without a language: plain commands, after `-c` or line by line. */
import { once } from 'node:events'
import type { Program, Run } from './types.js'

const PROMPT = '$ '
const INTERRUPTED = 130

export async function shell(run: Run, programs: Record<string, Program>): Promise<number> {
  if (run.args[0] === '-c') return command(run, run.args[1] ?? '', programs)
  const prompt = async () => {
    if (run.terminal) await run.out(PROMPT)
  }
  const idle = () => void prompt()
  if (run.terminal) run.terminal.onInterrupt = idle
  if (!run.isResumed) await prompt()
  let code = 0
  for await (const line of linesOf(run.stdin(run.killed))) {
    const [name, argument] = line.split(' ')
    if (name === 'exit') return Number(argument ?? code)
    if (name) code = await foreground(run, line, programs)
    if (run.terminal) run.terminal.onInterrupt = idle
    await prompt()
  }
  return code
}

/** Runs a command that Ctrl-C ends, and not the shell. */
async function foreground(run: Run, line: string, programs: Record<string, Program>): Promise<number> {
  const interrupted = new AbortController()
  if (run.terminal) run.terminal.onInterrupt = () => interrupted.abort()
  const killed = AbortSignal.any([run.killed, interrupted.signal])
  const work = command({ ...run, killed }, line, programs)
  // `once` rejects when it is no longer waited for.
  const settled = new AbortController()
  const stopped = once(killed, 'abort', { signal: settled.signal }).then(() => INTERRUPTED)
  try {
    return await Promise.race([work, stopped])
  } finally {
    settled.abort()
    stopped.catch(() => {})
    work.catch(() => {})
  }
}

async function command(run: Run, line: string, programs: Record<string, Program>): Promise<number> {
  const [name = '', ...args] = line.split(' ')
  const program = programs[name]
  if (program) return program({ ...run, args })
  await run.err(`sh: ${name}: not found\n`)
  return 127
}

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    rest += chunk.toString()
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end).trim()
      rest = rest.slice(end + 1)
    }
  }
  if (rest) yield rest.trim()
}
