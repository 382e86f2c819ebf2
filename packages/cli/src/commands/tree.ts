import type { Command } from 'commander'
import { versionsOf } from '../all-versions.js'
import { contextOf, type World } from '../context.js'
import { age, bytes, table } from '../format.js'
import { drawTree, lineage, type Ancestor } from '../lineage.js'
import { noteOf } from './version.js'

export function addTreeCommand(snapshot: Command, world: World): void {
  snapshot
    .command('tree')
    .description('show what was captured from what: parents above children, with every version that is kept')
    .action(async (_: object, command: Command) => {
      const { client, show, signal } = contextOf(command, world)
      const templates = await client.templates.list({ signal })
      const bases = templates.filter(({ info }) => info.type === 'base').map(({ info }) => info)
      const roots = lineage(bases, await versionsOf(client, templates, signal))
      const rows = drawTree(roots).map(([name, node]) => [name, ...columnsOf(node)])
      show(roots, () => table(['TEMPLATE', 'SIZE', 'AGE', 'NOTE'], rows))
    })
}

function columnsOf({ kind, version, info }: Ancestor): string[] {
  if (!info) return ['', '', version === undefined ? 'deleted; its version is not known' : 'deleted']
  const note = kind === 'base' ? 'base' : noteOf({ current: 'current' in info && info.current, damage: info.damage })
  return [bytes(info.size_bytes), age(info.created_at), note]
}
