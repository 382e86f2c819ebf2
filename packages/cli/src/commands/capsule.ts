import type { Command } from 'commander'
import { duration, idempotencyKey, label, whole } from '../arguments.js'
import { contextOf, type World } from '../context.js'
import { addEnvOptions, envsOf, type EnvOptions } from '../env-options.js'
import { age, fields, table } from '../format.js'
import { addNetworkOptions, networkOf, type ReachOptions } from '../network-options.js'
import { inWords } from '../own-words.js'

export function addCapsuleCommands(program: Command, world: World): Command {
  const capsule = program.command('capsule').description('Start, show, pause, fork and destroy capsules')
  addCreate(capsule, world)

  capsule
    .command('list')
    .alias('ls')
    .description('list the capsules that are alive')
    .action(async (_: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const infos = (await client.capsules.list({ signal })).map(({ info }) => info)
      const rows = infos.map((one) => [
        one.id,
        one.status,
        one.template,
        String(one.vcpus),
        `${one.memory_mb} MiB`,
        age(one.created_at),
      ])
      show(infos, () => table(['ID', 'STATUS', 'TEMPLATE', 'VCPUS', 'MEMORY', 'AGE'], rows))
    })

  capsule
    .command('show <id>')
    .description('show a capsule, also after its end')
    .action(async (id: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const { info } = await client.capsules.connect(id, { signal })
      show(info, () => fields(inWords(info)))
    })

  capsule
    .command('delete <id...>')
    .alias('rm')
    .description('destroy capsules')
    .action(async (ids: string[], _: object, command: Command) => {
      const { client, signal } = contextOf(command, world)
      for (const id of ids) await client.capsules.destroy(id, { signal })
    })
  return capsule
}

function addCreate(capsule: Command, world: World): void {
  const create = capsule
    .command('create')
    .description('start a capsule; it runs when this ends')
    .option('-t, --template <name>', 'what it starts from: a template, or one version of it as name@3', 'minimal')
    .option('--vcpus <n>', 'virtual CPUs', whole)
    .option('--memory <MiB>', 'memory', whole)
    .option('--timeout <time>', 'pause it after so long without activity: 30s, 5m, 2h, or seconds', duration)
    .option('--proxy-auth', 'its ports ask for a token; `wrenn url` prints it')
    .option('-l, --label <key=value>', 'a label; may be repeated', label, {})
  addNetworkOptions(addEnvOptions(create))
    .addOption(idempotencyKey())
    .action(async (options: CreateOptions, command: Command) => {
      const { client, show, signal, env } = contextOf(command, world)
      const { template, vcpus, memory, timeout, label: metadata, idempotencyKey, proxyAuth } = options
      const size = { vcpus, memoryMb: memory }
      const own = { ...envsOf(options, env), network: await networkOf(options, async () => ({})) }
      const wanted = { template, ...size, timeoutSec: timeout, metadata, idempotencyKey, proxyAuth, ...own }
      const given = Object.fromEntries(
        Object.entries(wanted).filter(([, value]) => value !== undefined && !isEmpty(value)),
      )
      const { info } = await client.capsules.create({ ...given, signal })
      show(info, () => info.id)
    })
}

interface CreateOptions extends EnvOptions, ReachOptions {
  template: string
  vcpus?: number
  memory?: number
  timeout?: number
  proxyAuth?: boolean
  label: Record<string, string>
  idempotencyKey?: string
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && Object.keys(value ?? {}).length === 0
}
