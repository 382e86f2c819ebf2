import type { Command } from 'commander'
import { WrennError, WrennNotFoundError, type VersionBody } from 'wrenn'
import { versionsOf } from '../all-versions.js'
import { duration, whole } from '../arguments.js'
import { contextOf, type Context, type SetExitCode, type World } from '../context.js'
import { age, bytes, table } from '../format.js'
import { freedBy, lastUse, selectPrunable, type PruneRule } from '../prune.js'

interface PruneOptions extends PruneRule {
  dryRun?: boolean
  yes?: boolean
}

/** A version that goes, as programs read it. */
interface Pruned {
  name: string
  version: number
  frees_bytes: number
  unused_since: string
  deleted: boolean
  error?: string
}

export function addPruneCommand(program: Command, world: World, setExitCode: SetExitCode): void {
  program
    .command('prune')
    .description('delete old versions of templates; never the one that a name means')
    .option('--keep <n>', 'how many versions of each template stay, the present one included', whole, 1)
    .option(
      '--unused-for <time>',
      'of the others, delete only those that nothing was started from for so long: 30d',
      duration,
    )
    .option('--dry-run', 'only show what would be deleted')
    .option('-y, --yes', 'do not ask; nobody is asked without a terminal')
    .action(async ({ dryRun, yes, ...rule }: PruneOptions, command: Command) => {
      const context = contextOf(command, world)
      const { client, show, signal, ask } = context
      const snapshots = await client.templates.list({ type: 'snapshot', signal })
      const chosen = selectPrunable(await versionsOf(client, snapshots, signal), rule)
      if (chosen.length === 0) return show([], () => 'There is nothing to prune.')
      const isAsked = !dryRun && !yes && ask !== undefined
      // With --json, what a person is asked about is not for the program that reads the output.
      if (!context.json || isAsked) (context.json ? context.stderr : context.stdout).write(`${plan(chosen)}\n`)
      if (dryRun) return show(chosen.map(untouched), () => `${summary(chosen)} would be deleted.`)
      if (isAsked && !(await ask(`Delete ${summary(chosen)}?`)))
        return show(chosen.map(untouched), () => 'Nothing was deleted.')
      const pruned = await deleteAll(chosen, context)
      show(pruned, () => `${summary(chosen.filter((_, index) => pruned[index]!.deleted))} deleted.`)
      if (pruned.some(({ deleted }) => !deleted)) setExitCode(1)
    })
}

/** Deletes one after the other; one that cannot be deleted is told and does not stop the rest. */
async function deleteAll(chosen: VersionBody[], { client, signal, stderr }: Context): Promise<Pruned[]> {
  const pruned: Pruned[] = []
  for (const one of chosen) {
    try {
      await client.templates.deleteVersion(one.name, one.version, { signal })
      pruned.push({ ...untouched(one), deleted: true })
    } catch (error) {
      if (!(error instanceof WrennError)) throw error
      // Somebody else was faster.
      const isGone = error instanceof WrennNotFoundError
      if (!isGone) stderr.write(`error: ${one.name}@${one.version}: ${error.message} (${error.code})\n`)
      pruned.push({ ...untouched(one), deleted: isGone, ...(isGone ? {} : { error: error.message }) })
    }
  }
  return pruned
}

function untouched(one: VersionBody): Pruned {
  const unused_since = new Date(lastUse(one)).toISOString()
  return { name: one.name, version: one.version, frees_bytes: freedBy(one).bytes, unused_since, deleted: false }
}

function plan(chosen: VersionBody[]): string {
  const rows = chosen.map((one) => {
    const freed = freedBy(one)
    const unused = age(new Date(lastUse(one)).toISOString())
    return [one.name, String(one.version), `${freed.isExact ? '' : 'up to '}${bytes(freed.bytes)}`, unused]
  })
  return table(['NAME', 'VERSION', 'FREES', 'UNUSED FOR'], rows)
}

function summary(chosen: VersionBody[]): string {
  // What two of them share with each other alone is in neither's own share, but is freed with both.
  const total = chosen.reduce((sum, one) => sum + freedBy(one).bytes, 0)
  return `${chosen.length} ${chosen.length === 1 ? 'version' : 'versions'} (about ${bytes(total)})`
}
