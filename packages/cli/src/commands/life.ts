import type { Command } from 'commander'
import { WrennForkError, type Capsule } from 'wrenn'
import { idempotencyKey, whole } from '../arguments.js'
import { contextOf, type SetExitCode, type World } from '../context.js'

/** What happens to a capsule between its start and its end. */
export function addLifeCommands(parent: Command, world: World, setExitCode: SetExitCode): void {
  for (const [verb, description] of [
    ['pause', 'keep a running capsule on disk: it uses no processor and no memory until it is resumed'],
    ['resume', 'let a paused capsule go on, exactly where it was'],
  ] as const)
    parent
      .command(`${verb} <id>`)
      .description(description)
      .action(async (id: string, _: object, command: Command) => {
        const { client, show, signal } = contextOf(command, world)
        const { info } = await client.capsules[verb](id, { signal })
        show(info, () => `${info.id}  ${info.status}`)
      })

  parent
    .command('fork <id>')
    .description('start capsules from where a running one is; it runs on. Their ids are printed')
    .option('-n, --count <n>', 'how many', whole, 1)
    .addOption(idempotencyKey())
    .action(async (id: string, { count, ...options }: { count: number; idempotencyKey?: string }, command: Command) => {
      const { client, show, signal, stderr } = contextOf(command, world)
      const { capsules, failed } = await outcomeOf(client.capsules.fork(id, count, { ...options, signal }))
      const infos = [...capsules, ...failed].map(({ info }) => info)
      show(infos, () => capsules.map((one) => one.id).join('\n'))
      if (failed.length === 0) return
      for (const { id: failedId, info } of failed)
        stderr.write(`error: ${failedId} did not start: ${info.reason ?? 'the server does not say why'}\n`)
      setExitCode(1)
    })
}

async function outcomeOf(fork: Promise<Capsule[]>): Promise<{ capsules: Capsule[]; failed: Capsule[] }> {
  try {
    return { capsules: await fork, failed: [] }
  } catch (error) {
    if (error instanceof WrennForkError) return error
    throw error
  }
}
