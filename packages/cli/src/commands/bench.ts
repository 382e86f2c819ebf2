import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { whole } from '../arguments.js'
import type { SetExitCode, World } from '../context.js'

interface Options {
  rounds: number
  only?: string[]
  dataDir?: string
  json?: boolean
}

export function addBenchCommand(program: Command, world: World, setExitCode: SetExitCode): void {
  program
    .command('bench')
    .description('measure this machine, on a data directory of its own that is removed afterwards')
    .option('--rounds <n>', 'how often each figure is measured', atLeastOne, 10)
    .option('--only <figure...>', 'measure only these figures')
    .option('--data-dir <path>', "where the images are (default: the server's data directory)", (path) => resolve(path))
    .action(async (_: object, command: Command) => {
      // The server's packages are loaded only where they are wanted.
      const { bench } = await import('../bench/bench.js')
      setExitCode(await bench(command.optsWithGlobals<Options>(), world))
    })
}

function atLeastOne(text: string): number {
  const count = whole(text)
  if (count === 0) throw new InvalidArgumentError('It must be 1 or more.')
  return count
}
