import type { Command } from 'commander'
import type { VersionBody } from 'wrenn'
import { reference, whole } from '../arguments.js'
import { contextOf, type SetExitCode, type World } from '../context.js'
import { age, bytes, table } from '../format.js'

/** What is done with the versions of a template. */
export function addVersionCommands(snapshot: Command, world: World, setExitCode: SetExitCode): void {
  snapshot
    .command('history <name>')
    .description('list the versions of a template that are kept, newest first')
    .action(async (name: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const versions = await client.templates.versions(name, { signal })
      show(versions, () =>
        table(['VERSION', 'SIZE', 'UNIQUE', 'FROM', 'AGE', 'LAST USED', 'NOTE'], versions.map(rowOf)),
      )
    })

  snapshot
    .command('rollback <name>')
    .description('make the name mean an older version again, or a newer one')
    .argument('[version]', 'which (default: the one before)', whole)
    .action(async (name: string, version: number | undefined, ...[, command]: [object, Command]) => {
      const { client, show, signal } = contextOf(command, world)
      const { info } = await client.templates.rollback(name, version, { signal })
      show(info, () => `${info.name}  (version ${info.version})`)
    })

  snapshot
    .command('verify <name>')
    .description('read every part of a template, or of one version as name@3, and compare it with its digest')
    .action(async (text: string, _: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const { name, version } = reference(text)
      const found = await client.templates.verify(name, version, { signal })
      const rows = found.parts.map((part) => [
        part.name,
        bytes(part.bytes),
        part.ok ? 'ok' : (part.problem ?? 'damaged'),
      ])
      const verdict = `${found.name}@${found.version} is ${found.ok ? 'whole' : 'damaged'}.`
      show(found, () => `${table(['PART', 'SIZE', 'STATE'], rows)}\n${verdict}`)
      if (!found.ok) setExitCode(1)
    })
}

function rowOf(one: VersionBody): string[] {
  const { version, size_bytes, unique_bytes, parent, parent_version, created_at, last_used_at } = one
  return [
    String(version),
    bytes(size_bytes),
    unique_bytes === undefined ? '' : bytes(unique_bytes),
    parent === undefined ? '' : parent_version === undefined ? parent : `${parent}@${parent_version}`,
    age(created_at),
    last_used_at ? age(last_used_at) : 'never',
    noteOf(one),
  ]
}

/** What is special about a version. */
export function noteOf({ current, damage }: Pick<VersionBody, 'current' | 'damage'>): string {
  return [...(current ? ['current'] : []), ...(damage ? [`damaged: ${damage}`] : [])].join(', ')
}
