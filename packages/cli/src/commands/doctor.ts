import type { Command } from 'commander'
import type { SetExitCode, World } from '../context.js'
import type { DoctorOptions } from '../doctor/doctor.js'

export function addDoctorCommand(program: Command, world: World, setExitCode: SetExitCode): void {
  program
    .command('doctor')
    .description('check this machine and the data directory; says what is wrong, and what to do about it')
    .option('--quick', 'leave out what takes long: reading every byte of every template')
    .option('--boot', 'boot a guest under KVM even if that was tried since the start of the machine')
    .option('--fix', 'put right what can be without a risk, and say what was done')
    .option('--strict', 'end with 1 when there are warnings (errors: 2)')
    .action(async (_: object, command: Command) => {
      // The server's packages are loaded only where they are wanted.
      const { doctor } = await import('../doctor/doctor.js')
      setExitCode(await doctor(command.optsWithGlobals<DoctorOptions>(), world))
    })
}
