/** The `wrenn` command as data, and its run. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { WrennConnectionError, WrennError } from 'wrenn'
import { addBenchCommand } from './commands/bench.js'
import { addCapsuleCommands } from './commands/capsule.js'
import { addCopyCommand } from './commands/cp.js'
import { addDoctorCommand } from './commands/doctor.js'
import { addEventsCommand } from './commands/events.js'
import { addKeyCommands } from './commands/key.js'
import { addLifeCommands } from './commands/life.js'
import { addLogsCommand } from './commands/logs.js'
import { addMetricsCommands } from './commands/metrics.js'
import { addNetworkCommand } from './commands/network.js'
import { addPortCommands } from './commands/port.js'
import { addProcessCommands } from './commands/process.js'
import { addPruneCommand } from './commands/prune.js'
import { addShellCommand } from './commands/shell.js'
import { addSnapshotCommands } from './commands/snapshot.js'
import { addSupportBundleCommand } from './commands/support-bundle.js'
import { addTreeCommand } from './commands/tree.js'
import { addVersionCommands } from './commands/version.js'
import type { World } from './context.js'

const USAGE_ERROR = 2
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/**
 * Runs the CLI.
 *
 * @param argv the words behind `wrenn`
 * @returns the exit code: 0, 1 for a failure, 2 for words that make no sense, or what an executed program ended with
 */
export async function run(argv: string[], world: World): Promise<number> {
  let exitCode = 0
  const program = makeProgram(world, (code) => (exitCode = code))
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already, but for errors that are raised here.
      if (error.code.startsWith('wrenn.')) world.stderr.write(`error: ${error.message}\n`)
      return error.exitCode === 0 ? 0 : USAGE_ERROR
    }
    world.stderr.write(describe(error))
    return 1
  }
}

function makeProgram(world: World, setExitCode: (code: number) => void): Command {
  const program = new Command('wrenn')
    .description('Capsules: isolated virtual machines, captured while they run and started again in an instant')
    .version(version)
    .option('--url <url>', 'the API (default: WRENN_BASE_URL, or the server on this machine)')
    .option('--key <key>', 'the API key (default: WRENN_API_KEY, or the key that the server on this machine keeps)')
    .option('--json', 'print results as JSON')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => world.stdout.write(text), writeErr: (text) => world.stderr.write(text) })
  program
    .command('up')
    .description('run the server on this machine')
    .action(async () => {
      // The server's packages are loaded only where they are wanted.
      const { up } = await import('./up/up.js')
      setExitCode(await up(world.env))
    })
  const capsule = addCapsuleCommands(program, world)
  for (const parent of [program, capsule]) {
    addLifeCommands(parent, world, setExitCode)
    addNetworkCommand(parent, world)
  }
  addShellCommand(program, world, setExitCode)
  addProcessCommands(program, world, setExitCode)
  addLogsCommand(program, world)
  addCopyCommand(program, world)
  addPortCommands(program, world)
  addEventsCommand(program, world)
  addMetricsCommands(program, world)
  const snapshot = addSnapshotCommands(program, world)
  addVersionCommands(snapshot, world, setExitCode)
  addTreeCommand(snapshot, world)
  addPruneCommand(program, world, setExitCode)
  addKeyCommands(program, world)
  addBenchCommand(program, world, setExitCode)
  addDoctorCommand(program, world, setExitCode)
  addSupportBundleCommand(program, world)
  inherit(program)
  return program
}

/** Subcommands behave as the program does, and take its options behind their own words too. */
function inherit(program: Command): void {
  for (const command of program.commands) {
    command.copyInheritedSettings(program)
    for (const flags of ['--url <url>', '--key <key>', '--json']) command.addOption(new Option(flags).hideHelp())
    inherit(command)
  }
}

function describe(error: unknown): string {
  if (!(error instanceof WrennError)) return `error: ${error instanceof Error ? error.message : String(error)}\n`
  const hint =
    error instanceof WrennConnectionError
      ? 'Start the server with `npm start` or `wrenn up`, or name it with --url.'
      : error.hint
  const request = error.requestId ? `, ${error.requestId}` : ''
  return [`error: ${error.message} (${error.code}${request})`, ...(hint ? [hint] : []), ''].join('\n')
}
