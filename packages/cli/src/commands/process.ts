import { type Command, Option } from 'commander'
import { killSignals, type KillSignal } from '@wrenn/wire'
import { duration, label } from '../arguments.js'
import { contextOf, type World } from '../context.js'
import { table } from '../format.js'
import { passOn } from '../pass-on.js'
import { ENDED_BY_SIGNAL } from './exit-code.js'

interface ExecOptions {
  cwd?: string
  env: Record<string, string>
  timeout: number
  interactive?: boolean
  background?: boolean
  tag?: string
}

export function addProcessCommands(program: Command, world: World, setExitCode: (code: number) => void): void {
  program
    .command('exec <id> <cmd> [args...]')
    .description(
      "run a program in a capsule; its output and exit code are passed on (put -- before the program's own options)",
    )
    .option('--cwd <dir>', 'directory to run in')
    .option('-e, --env <name=value>', 'an environment variable; may be repeated', label, {})
    .option('--timeout <time>', 'kill it after so long: 30s, 5m, 2h, or seconds', duration, 3600)
    .addOption(
      new Option('-i, --interactive', 'pass the input on: a pipe, a file, or what is typed').conflicts('background'),
    )
    .option('-d, --background', 'leave it running and print its pid and tag')
    .option('--tag <tag>', 'a name for it, for logs, kill and others')
    .passThroughOptions()
    .action(async (id: string, cmd: string, ...[args, options, command]: [string[], ExecOptions, Command]) => {
      // With or without it: what follows the id is the program and its own words.
      if (cmd === '--') [cmd = '', ...args] = args
      const { client, show, signal, stdin } = contextOf(command, world)
      const capsule = await client.capsules.connect(id, { signal })
      const named = { ...(options.cwd ? { cwd: options.cwd } : {}), ...(options.tag ? { tag: options.tag } : {}) }
      const where = { ...named, envs: options.env, signal }
      if (options.background) {
        const { pid, tag } = await capsule.commands.start({ cmd, args }, where)
        return show({ pid, tag }, () => `${pid}  ${tag}`)
      }
      const input = options.interactive ? { stdin } : {}
      try {
        const running = capsule.commands.stream({ cmd, args }, { ...where, ...input, timeoutSec: options.timeout })
        const exitCode = await passOn(running, world)
        setExitCode(exitCode < 0 ? ENDED_BY_SIGNAL : exitCode)
      } finally {
        // A program that reads no more must not leave this one waiting for its input.
        if (options.interactive) stdin.destroy()
      }
    })

  program
    .command('ps <id>')
    .description('list the programs that run in a capsule')
    .action(async (id: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const processes = await (await client.capsules.connect(id, { signal })).commands.list({ signal })
      const rows = processes.map(({ pid, tag = '', cmd, args = [] }) => [String(pid), tag, [cmd, ...args].join(' ')])
      show(processes, () => table(['PID', 'TAG', 'COMMAND'], rows))
    })

  program
    .command('kill <id> <pid-or-tag>')
    .description('end a program in a capsule, with all that it started')
    .addOption(new Option('-s, --signal <name>', 'what to send').choices(killSignals).default('SIGKILL'))
    .action(async (id: string, selector: string, ...[options, command]: [{ signal: KillSignal }, Command]) => {
      const { client, signal } = contextOf(command, world)
      await (await client.capsules.connect(id, { signal })).commands.kill(selector, options.signal, { signal })
    })
}
