import { once } from 'node:events'
import type { CommandEvent } from 'wrenn'
import type { World } from './context.js'

/** Passes a program's output on, at the pace at which it is taken; resolves with its exit code. */
export async function passOn(events: AsyncIterable<CommandEvent>, world: World): Promise<number> {
  for await (const event of events) {
    if (event.type === 'exit') return event.exitCode
    await passOne(event, world)
  }
  throw new Error('The connection was lost while the program ran.')
}

/** Passes one piece of output on. */
export async function passOne(event: CommandEvent, { stdout, stderr }: World): Promise<void> {
  if (event.type === 'dropped') stderr.write('wrenn: some output is no longer there\n')
  if (event.type !== 'stdout' && event.type !== 'stderr') return
  const stream = event.type === 'stdout' ? stdout : stderr
  if (!stream.write(event.data)) await once(stream, 'drain')
}
