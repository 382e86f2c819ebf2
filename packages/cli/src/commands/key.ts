import { Option, type Command } from 'commander'
import type { KeyBody, KeyScope } from 'wrenn'
import { duration } from '../arguments.js'
import { contextOf, type World } from '../context.js'
import { age, fields, left, table } from '../format.js'

interface CreateFlags {
  scope?: KeyScope
  expiresIn?: number
}

export function addKeyCommands(program: Command, world: World): void {
  const key = program.command('keys').alias('key').description('Make, list and revoke API keys')

  key
    .command('create [name]')
    .description('make a key; it is shown this once')
    .addOption(new Option('--scope <scope>', 'what it may do (default: admin)').choices(['read', 'run', 'admin']))
    .option('--expires-in <time>', 'when it ends: 30s, 5m, 2h, 30d, or seconds (default: never)', duration)
    .action(async (name: string | undefined, flags: CreateFlags, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const made = await client.keys.create({ name, ...flags }, { signal })
      show(made, () => made.key)
    })

  key
    .command('list')
    .alias('ls')
    .description("list the team's keys")
    .action(async (_: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const keys = await client.keys.list({ signal })
      show(keys, () => table(['ID', 'NAME', 'KEY', 'SCOPE', 'AGE', 'EXPIRES IN', 'LAST USED'], keys.map(row)))
    })

  key
    .command('revoke <id>')
    .description('revoke a key; it stops working at once')
    .action(async (id: string, _: object, command: Command) => {
      const { client, signal } = contextOf(command, world)
      await client.keys.revoke(id, { signal })
    })

  program
    .command('health')
    .description('whether the server answers')
    .action(async (_: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const health = await client.health({ signal })
      show(health, () => fields(health))
    })
}

function row(key: KeyBody): string[] {
  return [
    key.id,
    key.name,
    `${key.key_prefix}…`,
    key.scope,
    age(key.created_at),
    key.expires_at === undefined ? 'never' : left(key.expires_at),
    key.last_used === undefined ? 'never' : age(key.last_used),
  ]
}
