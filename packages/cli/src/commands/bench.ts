import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { whole } from '../arguments.js'
import type { SoakOptions } from '../bench/soak/soak.js'
import type { SetExitCode, World } from '../context.js'

interface Options {
  rounds: number
  only?: string[]
  dataDir?: string
  json?: boolean
}

export function addBenchCommand(program: Command, world: World, setExitCode: SetExitCode): void {
  const measuring = program
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
  addSoakCommand(measuring, world, setExitCode)
}

function addSoakCommand(bench: Command, world: World, setExitCode: SetExitCode): void {
  bench
    .command('soak')
    .description('do everything at random for a long time, with faults, and look for what is lost or left behind')
    .option('--minutes <n>', 'how long, at least', whole, 30)
    .option('--operations <n>', 'how many operations, at least', whole, 2000)
    .option('--capsules <n>', 'the most capsules at once', atLeastOne, 6)
    .option('--workers <n>', 'how many operations are under way at once', atLeastOne, 3)
    .option('--fault-every <seconds>', 'how long it is between two faults; 0: there are none', whole, 45)
    .option('--seed <n>', 'the same operations as another time, though not at the same moments', whole)
    .option('--data-dir <path>', "where the images are (default: the server's data directory)", (path) => resolve(path))
    .action(async (_: object, command: Command) => {
      const { soak } = await import('../bench/soak/soak.js')
      setExitCode(await soak(command.optsWithGlobals<SoakOptions>(), world))
    })
}

function atLeastOne(text: string): number {
  const count = whole(text)
  if (count === 0) throw new InvalidArgumentError('It must be 1 or more.')
  return count
}
