import type { AgentChannel } from '../agent/channel.js'
import { guestOf } from '../agent/guest.js'

/** How long a command may take. */
const COMMAND_MS = 120_000

/** Runs a command line to its end. @throws when its exit code is not 0 */
export async function runCommand(channel: AgentChannel, line: string): Promise<void> {
  const spec = { cmd: '/bin/sh', args: ['-c', line] }
  const { output } = await guestOf(channel).exec(spec, AbortSignal.timeout(COMMAND_MS))
  for await (const chunk of output)
    if (chunk.type === 'exit' && chunk.exitCode !== 0) throw new Error(`${line}: exit code ${chunk.exitCode}`)
}
