/** Starts programs that outlive us. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { keepOutput } from './output.js'
import { hasStreams } from './streams.js'

export interface Launch {
  /** The program and its arguments. */
  command: readonly string[]
  cwd: string
  /** Where the first of its output goes. */
  logFile: string
  /** Descriptors of ours that it has too, as those from 4 on. */
  descriptors?: readonly number[]
  /** How many more streams it has, as the descriptors behind those. */
  streams?: number
}

export interface Launched {
  child: ChildProcess
  /** Our end of the stream that the program has as descriptor 3. */
  channel: Socket
  /** Our ends of the other streams. */
  streams: Socket[]
  /** The last that it has said so far, for error messages. */
  said(): string
}

/** The descriptor that is `channel` for the program; sockets and streams follow. */
export const CHANNEL_FD = 3

/**
 * Starts a program in a session of its own, so that neither our end nor a Ctrl-C is its end. It gets a bidirectional
 * stream as descriptor 3. Of what it writes, the file keeps the beginning: however much a program says, it fills no disk.
 *
 * @throws when the program cannot be started
 */
export async function launch({ command, cwd, logFile, descriptors = [], streams = 0 }: Launch): Promise<Launched> {
  const [program = '', ...args] = command
  const log = openSync(logFile, 'a', 0o644)
  const child = spawn(program, args, {
    cwd,
    detached: true,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...descriptors, ...Array<'pipe'>(streams).fill('pipe')] as StdioOptions,
  })
  const spawned = once(child, 'spawn')
  if (!hasStreams(child)) {
    closeSync(log)
    await spawned
  }
  const said = keepOutput([child.stdout, child.stderr] as Readable[], log)
  await spawned
  child.unref()
  const [channel, ...others] = child.stdio.slice(CHANNEL_FD).filter((one) => one !== null) as Socket[]
  return { child, channel: channel!, streams: others, said }
}
