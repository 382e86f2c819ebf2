import { type Command, InvalidArgumentError } from 'commander'
import { contextOf, type World } from '../context.js'
import { age, fields, table } from '../format.js'

export function addCapsuleCommands(program: Command, world: World): void {
  const capsule = program.command('capsule').description('Start, show and destroy capsules')

  capsule
    .command('create')
    .description('start a capsule; it runs when this ends')
    .option('-t, --template <name>', 'what it starts from', 'minimal')
    .option('--vcpus <n>', 'virtual CPUs', whole)
    .option('--memory <MiB>', 'memory', whole)
    .option('--timeout <s>', 'pause it after so many seconds without activity', whole)
    .option('-l, --label <key=value>', 'a label; may be repeated', label, {})
    .action(async (options: CreateOptions, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const { template, vcpus, memory, timeout, label: metadata } = options
      const wanted = { template, vcpus, memoryMb: memory, timeoutSec: timeout, metadata }
      const given = Object.fromEntries(
        Object.entries(wanted).filter(([, value]) => value !== undefined && !isEmpty(value)),
      )
      const { info } = await client.capsules.create({ ...given, signal })
      show(info, () => info.id)
    })

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
      show(info, () => fields(info))
    })

  capsule
    .command('delete <id...>')
    .alias('rm')
    .description('destroy capsules')
    .action(async (ids: string[], _: object, command: Command) => {
      const { client, signal } = contextOf(command, world)
      for (const id of ids) await client.capsules.destroy(id, { signal })
    })
}

interface CreateOptions {
  template: string
  vcpus?: number
  memory?: number
  timeout?: number
  label: Record<string, string>
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && Object.keys(value ?? {}).length === 0
}

/** A whole number, or a word about what is wrong. */
export function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

/** `key=value`, added to those before. */
export function label(text: string, before: Record<string, string>): Record<string, string> {
  const cut = text.indexOf('=')
  if (cut < 1) throw new InvalidArgumentError('It must have the form key=value.')
  return { ...before, [text.slice(0, cut)]: text.slice(cut + 1) }
}
