import type { Command } from 'commander'
import type { World } from '../context.js'
import type { BundleOptions } from '../support/support-bundle.js'

export function addSupportBundleCommand(program: Command, world: World): void {
  program
    .command('support-bundle')
    .description('write one file, without secrets, for whoever is to find out what is wrong')
    .option('--out <file>', 'where to (default: wrenn-support-TIME.tar.gz here)')
    .option('--data-dir <dir>', "the server's data directory (default: WRENN_DATA_DIR, or where a server keeps it)")
    .option('--log <file>', "the server's log (default: where its errors go, while it runs)")
    .option('--names', 'give the names of templates as they are')
    .action(async (_: object, command: Command) => {
      // The server's packages are loaded only where they are wanted.
      const { supportBundle } = await import('../support/support-bundle.js')
      await supportBundle(command.optsWithGlobals<BundleOptions>(), world)
    })
}
