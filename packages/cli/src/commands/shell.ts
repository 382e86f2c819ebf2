import { type Command, CommanderError } from 'commander'
import { WrennConnectionError, WrennError, WrennNotFoundError, WrennTimeoutError, type Capsule, type Pty } from 'wrenn'
import { label } from '../arguments.js'
import { contextOf, type SetExitCode, type World } from '../context.js'
import { ENDED_BY_SIGNAL } from './exit-code.js'
import { session } from '../shell/session.js'
import type { Terminal } from '../shell/terminal.js'

/** bash where there is one. */
const LOGIN = ['-c', 'command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l']
/** How much of what was printed before is shown again, in bytes. */
const SHOWN_AGAIN = 16 * 1024

interface ShellOptions {
  cwd?: string
  env: Record<string, string>
  tag?: string
  attach?: string
}

interface Wanted extends ShellOptions {
  cmd: string | undefined
  args: string[]
  term: string | undefined
}

export function addShellCommand(program: Command, world: World, setExitCode: SetExitCode): void {
  program
    .command('shell <id> [cmd] [args...]')
    .description(
      'open a shell, or another program, in a capsule, in this terminal; its exit code is passed on (put -- before what has options)',
    )
    .option('--cwd <dir>', 'directory to start in')
    .option('-e, --env <name=value>', 'an environment variable; may be repeated', label, {})
    .option('--tag <tag>', 'a name to come back by')
    .option('--attach <tag>', 'come back to one that was left')
    .addHelpText(
      'after',
      '\nEnter ~ . leaves it without ending it; Enter ~ ~ types a ~.\n\n  wrenn shell ID\n  wrenn shell ID --tag top -- top -d 1\n  wrenn shell ID --attach top',
    )
    .action(
      async (id: string, cmd: string | undefined, ...[args, options, command]: [string[], ShellOptions, Command]) => {
        const { client, terminal, signal, stderr, env } = contextOf(command, world)
        if (!terminal)
          throw new CommanderError(2, 'wrenn.shell', 'A shell wants a terminal. Use `wrenn exec -i` without one.')
        const capsule = await client.capsules.connect(id, { signal })
        let tag: string | undefined
        const open = async (connection: AbortSignal) => {
          const wanted = { ...options, cmd, args, term: env['TERM'] }
          const pty = await opened(capsule, terminal, { wanted, signal: connection })
          tag = pty.tag
          return pty
        }
        try {
          const ending = await session(terminal, open, signal)
          if (ending !== 'left') return setExitCode(ending.exitCode < 0 ? ENDED_BY_SIGNAL : ending.exitCode)
        } catch (error) {
          if (tag && mayGoOn(error)) stderr.write(comeBack(id, tag))
          throw error
        }
        stderr.write(comeBack(id, tag!))
      },
    )
}

async function opened(
  capsule: Capsule,
  terminal: Terminal,
  { wanted, signal }: { wanted: Wanted; signal: AbortSignal },
): Promise<Pty> {
  const size = terminal.size()
  const { attach, cmd, args, term, cwd, env, tag } = wanted
  if (attach !== undefined) {
    const pty = await capsule.ptyConnect(attach, { tail: SHOWN_AGAIN, signal })
    // What has ended has no size; how it ended is still told.
    await pty.resize(size, { signal }).catch((error: unknown) => {
      if (!(error instanceof WrennNotFoundError)) throw error
    })
    return pty
  }
  return capsule.pty({
    ...(cmd === undefined ? { cmd: '/bin/sh', args: LOGIN } : { cmd, args }),
    ...size,
    envs: { ...(term ? { TERM: term } : {}), ...env },
    ...(cwd ? { cwd } : {}),
    ...(tag ? { tag } : {}),
    signal,
  })
}

/** Whether a failure is one of this side or of the way, and not of the program. */
function mayGoOn(error: unknown): boolean {
  return !(error instanceof WrennError) || error instanceof WrennConnectionError || error instanceof WrennTimeoutError
}

function comeBack(id: string, tag: string): string {
  return `\nIt goes on. Come back with: wrenn shell ${id} --attach ${tag}\n`
}
