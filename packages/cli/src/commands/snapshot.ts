import { type Command, Option } from 'commander'
import type { TemplateBody } from 'wrenn'
import { duration, idempotencyKey, reference, whole } from '../arguments.js'
import { contextOf, type World } from '../context.js'
import { age, bytes, fields, table } from '../format.js'

interface CreateOptions {
  name?: string
  overwrite?: boolean
  keep?: boolean
  keepSource?: boolean
  keepVersions?: number
  expiresIn?: number
  idempotencyKey?: string
}

export function addSnapshotCommands(program: Command, world: World): Command {
  const snapshot = program.command('snapshot').description('Capture capsules as templates, and manage those')
  addCreate(snapshot, world)

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
        one.damage ? 'damaged' : '',
      ])
      show(infos, () => table(['NAME', 'TYPE', 'VERSION', 'MACHINE', 'SIZE', 'AGE', 'NOTE'], rows))
    })

  snapshot
    .command('show <name>')
    .description('show a template, or one version of it as name@3')
    .action(async (text: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const { name, version } = reference(text)
      const info: TemplateBody | undefined =
        version === undefined
          ? (await client.templates.get(name, { signal })).info
          : (await client.templates.versions(name, { signal })).find((one) => one.version === version)
      if (!info)
        throw new Error(`There is no version ${version} of ${name}; wrenn snapshot history ${name} lists them.`)
      show(info, () => fields(readable(info)))
    })

  snapshot
    .command('delete <name...>')
    .alias('rm')
    .description('delete templates, or single old versions as name@3; capsules that came from them are not touched')
    .action(async (texts: string[], _: object, command: Command) => {
      const { client, signal } = contextOf(command, world)
      for (const { name, version } of texts.map(reference)) {
        if (version === undefined) await client.templates.delete(name, { signal })
        else await client.templates.deleteVersion(name, version, { signal })
      }
    })
  return snapshot
}

function addCreate(snapshot: Command, world: World): void {
  snapshot
    .command('create <id>')
    .description('capture a running capsule as a template, and destroy it')
    .option('-n, --name <name>', "the template's name; one is made up where none is given")
    .option('--overwrite', 'make a new version where a template of this name exists')
    .option('--keep', 'leave the capsule running')
    // What --keep was called at first.
    .addOption(new Option('--keep-source').hideHelp())
    .option('--keep-versions <n>', 'how many versions of the template are kept, this one included', whole)
    .option(
      '--expires-in <time>',
      'delete versions, the present one too, that nothing was started from for so long: 30d',
      duration,
    )
    .addOption(idempotencyKey())
    .action(async (id: string, { keep, keepSource, ...options }: CreateOptions, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const capsule = await client.capsules.connect(id, { signal })
      const { info } = await capsule.createSnapshot({ ...options, keepSource: Boolean(keep || keepSource), signal })
      show(info, () => `${info.name}  (version ${info.version}, ${bytes(info.size_bytes)})`)
    })
}

/** The same with sizes as people read them. */
function readable(info: TemplateBody): object {
  const shown = Object.entries(info).map(([name, value]) => [
    name,
    name.endsWith('_bytes') && typeof value === 'number' ? bytes(value) : (value as unknown),
  ])
  return Object.fromEntries(shown) as object
}

function sizeOf({ vcpus, memory_mb }: { vcpus: number | null; memory_mb: number | null }): string {
  return vcpus === null ? 'any' : `${vcpus} × ${memory_mb} MiB`
}
