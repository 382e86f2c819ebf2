import type { Command } from 'commander'
import { WrennForkError, type Capsule } from 'wrenn'
import { idempotencyKey, whole } from '../arguments.js'
import { contextOf, type SetExitCode, type World } from '../context.js'
import { addEnvOptions, envsOf, type EnvOptions } from '../env-options.js'
import { addNetworkOptions, networkOf, type ReachOptions } from '../network-options.js'

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

  addFork(parent, world, setExitCode)
}

interface ForkOptions extends EnvOptions, ReachOptions {
  count: number
  idempotencyKey?: string
}

function addFork(parent: Command, world: World, setExitCode: SetExitCode): void {
  const fork = parent
    .command('fork <id>')
    .description(
      'start capsules from where a running one is; it runs on. Their ids are printed. What is not said of their network is as in the source; variables take the place of its variables',
    )
    .option('-n, --count <n>', 'how many', whole, 1)
  addNetworkOptions(addEnvOptions(fork))
    .addOption(idempotencyKey())
    .action(async (id: string, { count, idempotencyKey: key, ...options }: ForkOptions, command: Command) => {
      const { client, show, signal, stderr, env } = contextOf(command, world)
      const network = await networkOf(
        options,
        async () => (await client.capsules.connect(id, { signal })).info.network ?? {},
      )
      const own = { ...envsOf(options, env), ...(network ? { network } : {}) }
      const wanted = { ...own, ...(key ? { idempotencyKey: key } : {}), signal }
      const { capsules, failed } = await outcomeOf(client.capsules.fork(id, count, wanted))
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
