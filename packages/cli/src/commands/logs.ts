import type { Command } from 'commander'
import type { Capsule } from 'wrenn'
import { whole } from '../arguments.js'
import { contextOf, type Context, type World } from '../context.js'
import { passOn, passOne } from '../pass-on.js'

interface LogsOptions {
  follow?: boolean
  tail?: number
  from?: number
}

export function addLogsCommand(program: Command, world: World): void {
  program
    .command('logs <id> <process>')
    .description('show what a program has printed, by its pid, tag or id; also about ten minutes after its end')
    .option('-f, --follow', 'go on until it ends')
    .option('--tail <bytes>', 'only so much of the end', whole)
    .option('--from <offset>', 'only what is behind so many bytes', whole)
    .action(async (id: string, selector: string, ...[options, command]: [LogsOptions, Command]) => {
      const context = contextOf(command, world)
      const { client, signal } = context
      const { commands } = await client.capsules.connect(id, { signal })
      const { follow, ...at } = options
      if (follow) await passOn(commands.attach(selector, { ...at, signal }), context)
      else await passPresent(commands, { selector, ...at }, context)
    })
}

/** What there is now, and no more of what comes. */
async function passPresent(
  commands: Capsule['commands'],
  { selector, ...at }: LogsOptions & { selector: string },
  context: Context,
): Promise<void> {
  const { signal } = context
  const end = await endOf(commands, selector, signal)
  for await (const event of commands.attach(selector, { ...at, signal })) {
    await passOne(event, context)
    if (event.type === 'exit' || ('offset' in event && event.offset >= end)) return
  }
}

/** The offset of what it will print next. */
async function endOf(commands: Capsule['commands'], selector: string, signal: AbortSignal): Promise<number> {
  for await (const event of commands.attach(selector, { tail: 0, signal }))
    if (event.type === 'start') return event.offset
  return 0
}
