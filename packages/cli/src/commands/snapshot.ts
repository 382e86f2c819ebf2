import { type Command, Option } from 'commander'
import { contextOf, type World } from '../context.js'
import { age, bytes, fields, table } from '../format.js'

interface CreateOptions {
  name?: string
  overwrite?: boolean
  keepSource?: boolean
}

export function addSnapshotCommands(program: Command, world: World): void {
  const snapshot = program.command('snapshot').description('Capture capsules as templates, and list and delete those')

  snapshot
    .command('create <id>')
    .description('capture a running capsule as a template, and destroy it')
    .option('-n, --name <name>', "the template's name; one is made up where none is given")
    .option('--overwrite', 'replace a template of this name')
    .option('--keep-source', 'leave the capsule running')
    .action(async (id: string, options: CreateOptions, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const capsule = await client.capsules.connect(id, { signal })
      const { info } = await capsule.createSnapshot({ ...options, signal })
      show(info, () => `${info.name}  (version ${info.version}, ${bytes(info.size_bytes)})`)
    })

  snapshot
    .command('list')
    .alias('ls')
    .description("list templates: yours and the platform's")
    .addOption(new Option('--type <type>', 'only these').choices(['base', 'snapshot']))
    .action(async ({ type }: { type?: 'base' | 'snapshot' }, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const infos = (await client.templates.list({ ...(type ? { type } : {}), signal })).map(({ info }) => info)
      const rows = infos.map((one) => [
        one.name,
        one.type,
        String(one.version),
        sizeOf(one),
        bytes(one.size_bytes),
        age(one.created_at),
      ])
      show(infos, () => table(['NAME', 'TYPE', 'VERSION', 'MACHINE', 'SIZE', 'AGE'], rows))
    })

  snapshot
    .command('show <name>')
    .description('show a template')
    .action(async (name: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const { info } = await client.templates.get(name, { signal })
      show(info, () => fields(info))
    })

  snapshot
    .command('delete <name...>')
    .alias('rm')
    .description('delete templates; capsules that came from them are not touched')
    .action(async (names: string[], _: object, command: Command) => {
      const { client, signal } = contextOf(command, world)
      for (const name of names) await client.templates.delete(name, { signal })
    })
}

function sizeOf({ vcpus, memory_mb }: { vcpus: number | null; memory_mb: number | null }): string {
  return vcpus === null ? 'any' : `${vcpus} × ${memory_mb} MiB`
}
