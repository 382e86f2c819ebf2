import type { Command } from 'commander'
import { contextOf, type World } from '../context.js'
import { age, fields, table } from '../format.js'

export function addKeyCommands(program: Command, world: World): void {
  const key = program.command('key').description('Make, list and revoke API keys')

  key
    .command('create [name]')
    .description('make a key; it is shown this once')
    .action(async (name: string | undefined, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const made = await client.keys.create(name, { signal })
      show(made, () => made.key)
    })

  key
    .command('list')
    .alias('ls')
    .description("list the team's keys")
    .action(async (_: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const keys = await client.keys.list({ signal })
      const rows = keys.map((one) => [
        one.id,
        one.name,
        `${one.key_prefix}…`,
        age(one.created_at),
        one.last_used ? age(one.last_used) : 'never',
      ])
      show(keys, () => table(['ID', 'NAME', 'KEY', 'AGE', 'LAST USED'], rows))
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
