/** Starts programs that outlive us. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'

export interface Launch {
  program: string
  args: string[]
  cwd: string
  /** Where its output goes. */
  logFile: string
  /** The user that it runs as; ours when absent. */
  uid?: number | undefined
  /** The one group that it is in; of its own, with the user's number, when absent. */
  gid?: number | undefined
  /** The path of the network namespace that it runs in; ours when absent. It takes root. */
  namespace?: string | undefined
}

export interface Launched {
  child: ChildProcess
  pid: number
  /** Our end of the stream that the program has as descriptor 3. */
  channel: Socket
}

/**
 * Starts a program in a session of its own, so that neither our end nor a Ctrl-C is its end. It gets a bidirectional
 * stream as descriptor 3.
 *
 * @throws when the program cannot be started
 */
export async function launch({ cwd, logFile, uid, gid, namespace, ...called }: Launch): Promise<Launched> {
  const log = openSync(logFile, 'a', 0o644)
  try {
    const { program, args } = namespace ? within(namespace, { uid, gid, ...called }) : called
    const child = spawn(program, args, {
      cwd,
      detached: true,
      // libuv gives up all supplementary groups together with the user.
      ...(uid === undefined || namespace ? {} : { uid, gid: gid ?? uid }),
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      stdio: ['ignore', log, log, 'pipe'],
    })
    await once(child, 'spawn')
    child.unref()
    const channel = child.stdio[3] as Socket
    return { child, pid: child.pid!, channel }
  } finally {
    closeSync(log)
  }
}

/** The call that goes into a namespace first, which takes our rights, and gives them up there. */
function within(
  namespace: string,
  { program, args, uid = 0, gid = uid }: Pick<Launch, 'program' | 'args' | 'uid' | 'gid'>,
): Pick<Launch, 'program' | 'args'> {
  return {
    program: 'nsenter',
    args: [`--net=${namespace}`, `--setuid=${uid}`, `--setgid=${gid}`, '--', program, ...args],
  }
}
